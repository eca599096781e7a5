"""What the bench refuses, and how it reckons, draws and writes; no figure is judged here."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from bench import __main__ as verb
from bench import document, figures, showing, svg
from bench.catalog import SCENARIOS
from bench.machine import Machine
from bench.scenario import Bar, Chart, Grid, Report, Scenario
from bench.stub import World, listen
from fleetkit.testing import free_port

MACHINE = Machine(2, "Some Model", 24, "Linux 6", "3.11.7", 0.4)
MET = Bar("P1", "a start, p50", 5.25, "ms", "<= 6 ms", met=True)
MISSED = Bar("P2", "commands", 88.0, "/s", ">= 8x", "Temporal 13/s", 6.77, met=False)
UNKNOWN = Bar("P2", "commands", None, "/s", ">= 8x", note="nothing ran beside it")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "wrong",
    [
        ["nonsense"],
        ["overhead", "nonsense"],
        ["--fast"],
        ["--quick=yes"],
        ["--soak", "0"],
        ["--soak", "1", "config"],
    ],
)
def test_wrong_use_is_one_sentence(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.main(wrong) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_only_a_full_run_is_written_down() -> None:
    assert verb.parse([]).whole
    assert not verb.parse(["--quick"]).whole
    some = verb.parse(["config", "overhead"])
    assert not some.whole
    assert [one.name for one in some.scenarios] == [
        one.name for one in SCENARIOS if one.name in {"config", "overhead"}
    ]


def test_each_scenario_has_a_name_of_its_own() -> None:
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [figures.percentile(values, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert figures.percentile([3.0], 0.99) == 3
    with pytest.raises(ValueError, match="nothing"):
        figures.percentile([], 0.5)


def test_a_line_is_straight_and_a_bend_is_not() -> None:
    assert figures.r_squared([(1, 3), (2, 5), (10, 21)]) == pytest.approx(1)
    assert figures.r_squared([(1, 1), (2, 8), (3, 1), (4, 8)]) < 0.5


def test_a_bar_is_met_up_to_its_limit_and_from_it_on() -> None:
    assert [figures.at_most("P", "", value, 6, "ms").met for value in (6.0, 6.1)] == [True, False]
    assert [figures.at_least("P", "", value, 6, "").met for value in (6.0, 5.9)] == [True, False]
    assert figures.at_most("P", "", None, 6, "ms").met is None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.00123, "0.0012"),
        (0.998, "1"),
        (3.14159, "3.14"),
        (42.19, "42.2"),
        (300.0, "300"),
        (12345.6, "12 346"),
        (-2.5, "-2.5"),
    ],
)
def test_a_number_is_written_as_far_as_it_counts(value: float, written: str) -> None:
    assert showing.number(value) == written


def test_what_was_missed_or_not_measured_is_plain_to_see() -> None:
    lines = showing.show([MET, MISSED, UNKNOWN])
    assert [("met" in line.split(), "MISSED" in line) for line in lines[1:3]] == [
        (True, False),
        (False, True),
    ]
    assert "nothing ran beside it" in lines[4]
    assert showing.count([MET, MISSED, UNKNOWN]) == "1 of 2 bars met; missed: P2"


def test_json_has_these_fields_and_no_others() -> None:
    written = json.loads(json.dumps(showing.write_json(MACHINE, "abc", [MISSED])))
    assert set(written) == {"machine", "commit", "bars"}
    assert written["bars"] == [
        {
            "id": "P2",
            "name": "commands",
            "value": 88.0,
            "unit": "/s",
            "bar": ">= 8x",
            "peer": "Temporal 13/s",
            "ratio": 6.77,
            "met": False,
        }
    ]


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_can_be_read_and_stays_inside_its_frame(*, log: bool) -> None:
    series = {"ours & theirs": [(1.0, 0.4), (10.0, 7.0), (1000.0, 733.0)], "flat": [(1.0, 5.0)]}
    chart = Chart("one", "A <title>", "targets", "ms", series, log_x=log, log_y=log)
    drawn = ET.fromstring(svg.draw(chart))  # noqa: S314  # our own
    assert drawn.get("aria-label") == "A <title>"
    words = {text.text for text in drawn.iter(f"{SVG}text")}
    assert {"A <title>", "targets", "ms", "ours & theirs", "flat"} <= words
    lines = list(drawn.iter(f"{SVG}polyline"))
    assert len(lines) == 2
    _, _, width, height = map(float, str(drawn.get("viewBox")).split())
    for line in lines:
        for point in str(line.get("points")).split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_the_document_has_all_that_was_measured_and_no_old_chart(tmp_path: Path) -> None:
    chart = Chart("curve", "A curve", "x", "y", {"one": [(0.0, 0.0), (1.0, 2.0)]})
    grid = Grid("Costs", ["", "nginx"], [["run 1", "0.5"]])
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "old.svg").write_text("")
    report = Report([MET, MISSED], [chart], ["A note."], [grid])

    async def never(ground: object, *, quick: bool) -> Report:
        raise NotImplementedError

    done = [(Scenario("one", "What one is about", never), report)]
    text = document.write(tmp_path, MACHINE, "abc", done).read_text()
    assert [path.name for path in (tmp_path / "benchmarks").iterdir()] == ["curve.svg"]
    for part in (
        "| P1 | a start, p50 | 5.25 ms | <= 6 ms | met |",
        "| P2 | commands | 88 /s | >= 8x | MISSED | Temporal 13/s | 6.77x |",
        "## one: What one is about",
        "| run 1 | 0.5 |",
        "A note.",
        "(benchmarks/curve.svg)",
        MACHINE.sentence,
    ):
        assert part in text


@pytest.fixture
async def table_api() -> AsyncIterator[str]:
    port = free_port()
    async with await listen(World(), port):
        yield f"http://127.0.0.1:{port}"


async def test_the_stub_plays_a_round_and_knows_how_late_its_bets_were_stopped(
    table_api: str,
) -> None:
    table = f"{table_api}/prd/v2/service/tables/T-1"
    async with aiohttp.ClientSession() as session:

        async def call(operation: str, body: object = None) -> dict[str, object]:
            async with session.post(f"{table}/{operation}", json=body or {}) as answer:
                found: dict[str, object] = (await answer.json())["data"]["table"]["tableRound"]
                return found

        await session.post(f"{table_api}/control/prd", json={"bet_period_s": 60})
        opened = await call("start")
        assert (await call("start"))["roundId"] != opened["roundId"]
        assert (await call("bet-stop"))["status"] == "bet-stopped"
        dealt = await call("deal", {"roulette": "17"})
        assert dealt["result"] == {"roulette": "17", "sicBo": None, "baccarat": None}
        assert (await call("finish"))["status"] == "finished"
        async with session.post(f"{table_api}/control/late") as answer:
            [late_ms] = await answer.json()
        assert -60_000 <= late_ms < 0


async def test_the_stub_can_misbehave_in_one_environment_alone(table_api: str) -> None:
    async with aiohttp.ClientSession() as session:
        await session.post(f"{table_api}/control/cit", json={"mode": "reset"})
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{table_api}/cit/v2/service/tables/T-1")
        async with session.get(f"{table_api}/prd/v2/service/tables/T-1") as answer:
            assert answer.status == 200


@pytest.mark.long
def test_a_quick_run_of_one_scenario_ends_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.main(["--quick", "--json", "config"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert [bar["id"] for bar in written["bars"]] == ["R4"]
