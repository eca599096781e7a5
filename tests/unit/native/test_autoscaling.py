from pathlib import Path

import pytest

from native import cli
from native.autoscaling.decision import STEADY, Bounds, Load, Step, Thresholds, Trend, decide
from native.autoscaling.processes import read_in_flight

BOUNDS = Bounds(2, 6, automatic=True)
LIMITS = Thresholds(
    cpu_high=70,
    cpu_low=30,
    in_flight_high=20,
    in_flight_low=5,
    up_after_s=10,
    down_after_s=60,
)


def at(
    now: float,
    replicas: int,
    cpu: float | None = 50,
    in_flight: float | None = 10,
    *,
    bounds: Bounds = BOUNDS,
    trend: Trend = STEADY,
) -> Step:
    return decide(now, Load(replicas, cpu, in_flight), bounds, LIMITS, trend)


def test_a_load_between_much_and_little_changes_nothing() -> None:
    step = at(0, 3)
    assert (step.count, step.trend) == (3, STEADY)


def test_much_is_acted_on_only_once_it_has_lasted() -> None:
    first = at(100, 3, cpu=90)
    assert first.count == 3
    early = at(109, 3, cpu=90, trend=first.trend)
    assert early.count == 3
    late = at(110, 3, cpu=90, trend=early.trend)
    assert late.count == 4
    assert late.why == "CPU 90 % per replica, over 70 % for 10 s"
    assert late.trend == STEADY


def test_a_dip_begins_the_wait_anew() -> None:
    first = at(0, 3, cpu=90)
    dip = at(5, 3, cpu=60, trend=first.trend)
    assert at(10, 3, cpu=90, trend=dip.trend).count == 3


def test_growth_is_in_proportion_and_at_most_double() -> None:
    lasting = Trend(high_since=0)
    assert at(10, 2, in_flight=30, trend=lasting).count == 3
    assert at(10, 2, in_flight=500, trend=lasting).count == 4
    assert at(10, 5, in_flight=500, trend=lasting).count == 6


def test_the_worse_measure_counts_for_growth() -> None:
    step = at(10, 2, cpu=5, in_flight=25, trend=Trend(high_since=0))
    assert step.count == 3
    assert step.why == "25.0 in flight per replica, over 20 for 10 s"


def test_nothing_grows_beyond_the_most() -> None:
    step = at(100, 6, cpu=99, trend=Trend(high_since=0))
    assert (step.count, step.trend.high_since) == (6, 0)
    assert "but max_instances is 6" in step.why


def test_little_is_acted_on_slowly_and_one_by_one() -> None:
    first = at(0, 5, cpu=3, in_flight=0)
    assert first.count == 5
    assert at(59, 5, cpu=3, in_flight=0, trend=first.trend).count == 5
    step = at(60, 5, cpu=3, in_flight=0, trend=first.trend)
    assert (step.count, step.trend) == (4, STEADY)
    assert step.why == "CPU 3 % and 0.0 in flight per replica: little for 60 s"


def test_nothing_shrinks_below_the_least() -> None:
    step = at(1000, 2, cpu=0, in_flight=0, trend=Trend(low_since=0))
    assert step.count == 2
    assert "min_instances is 2" in step.why


def test_both_measures_have_to_be_little() -> None:
    for cpu, in_flight in ((3.0, 10.0), (50.0, 0.0)):
        assert at(0, 5, cpu=cpu, in_flight=in_flight).trend == STEADY


def test_nobody_leaves_whose_work_would_be_much_for_the_others() -> None:
    close = Thresholds(cpu_high=40, cpu_low=30, in_flight_high=20, in_flight_low=5)
    step = decide(0, Load(3, 29, 0), BOUNDS, close, STEADY)
    assert step.trend.low_since is None
    assert decide(0, Load(3, 26, 0), BOUNDS, close, STEADY).trend.low_since == 0


def test_the_bounds_are_kept_at_once() -> None:
    fewer, more = at(0, 1, cpu=1), at(0, 9, cpu=99)
    assert (fewer.count, fewer.why) == (2, "1 is fewer than min_instances, 2")
    assert (more.count, more.why) == (6, "9 is more than max_instances, 6")


def test_switched_off_it_says_what_is_out_of_bounds_and_does_nothing() -> None:
    off = Bounds(2, 6, automatic=False)
    assert at(0, 1, bounds=off).count == 1
    assert at(0, 1, bounds=off).why == "auto_scale is off, so 1 stay, fewer than min_instances, 2"
    assert at(0, 7, cpu=99, bounds=off).why.endswith("7 stay, more than max_instances, 6")
    assert at(0, 3, cpu=99, bounds=off).why == "auto_scale is off"


def test_one_measure_is_enough_and_none_changes_nothing() -> None:
    assert at(10, 2, cpu=None, in_flight=30, trend=Trend(high_since=0)).count == 3
    assert at(10, 2, cpu=90, in_flight=None, trend=Trend(high_since=0)).count == 3
    blind = at(1000, 3, cpu=None, in_flight=None, trend=Trend(low_since=0))
    assert (blind.count, blind.trend) == (3, STEADY)


def test_the_last_replica_stays() -> None:
    alone = Bounds(1, 6, automatic=True)
    assert at(1000, 1, cpu=0, in_flight=0, bounds=alone, trend=Trend(low_since=0)).count == 1


def test_calls_in_flight_are_read_of_all_environments_of_a_replica() -> None:
    metrics = (
        "# TYPE active_connections gauge\n"
        'active_connections{environment="PRD"} 3.0\n'
        'active_connections{environment="STG"} 1.0\n'
        'active_connections_total{environment="PRD"} 99.0\n'
    )
    assert read_in_flight(metrics) == 4
    assert read_in_flight("") == 0


def test_wrong_use_and_a_fleet_that_does_not_run_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PITBOSS_STATE_DIR", str(tmp_path))
    for line, code, sentence in (
        (["--interval", "0"], 2, "'0' is no number from 0.2 to 3600; see: ./manage.sh autoscale"),
        (["--interval", "often"], 2, "'often' is no number"),
        (["--cpu-high", "20"], 2, "--cpu-low, 30, must be below --cpu-high, 20."),
        (["--in-flight-high", "nan"], 2, "'nan' is no number"),
        (["--in-flight-high", "0"], 2, "--in-flight-high must be above 0."),
        (["--sometimes"], 2, "see: ./manage.sh autoscale --help"),
        (["--once"], 3, "The fleet is not running; start it with: ./manage.sh up"),
    ):
        assert cli.main(["autoscale", *line]) == code
        said = capsys.readouterr()
        assert sentence in said.err
        assert (said.out, len(said.err.splitlines())) == ("", 1)
