import os

import pytest

from simulation.fleet import run, tell
from simulation.seeds import SEEDS
from simulation.world import play

# What about 20 s of each core are enough for, and what is asked of a run that decides.
PER_CORE = 6000
IN_CI = 100_000

# Each must have happened, or the run has proved nothing about it.
KINDS = (
    "adopted",
    "alert",
    "breaker_closed",
    "breaker_opened",
    "call_error_after",
    "call_hang",
    "call_html",
    "call_lost_after",
    "call_lost_before",
    "call_rate_limited",
    "call_refused",
    "call_slow",
    "cancelled_late",
    "crash_gateway",
    "crash_replica",
    "early_result",
    "effect_bet-stop",
    "effect_cancel",
    "effect_finish",
    "effect_result",
    "effect_start",
    "failed_over",
    "fenced",
    "handover_lost",
    "handover_unsent",
    "late_effect",
    "late_start",
    "outage",
    "paused",
    "pool_killed",
    "same_result_twice",
    "session_refused",
    "settled_expired",
    "settled_rejected",
    "settled_superseded",
    "settled_unknown",
    "store_lost_after",
    "store_lost_before",
    "store_outage",
    "two_results",
    "two_starts",
)
ENOUGH = 3000


def test_no_world_breaks_an_invariant(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    seed: int = request.config.getoption("--seed")
    rounds: int | None = request.config.getoption("--rounds")
    usual = IN_CI if os.environ.get("CI") else PER_CORE * len(os.sched_getaffinity(0))
    report = run(seed, rounds or usual)
    with capsys.disabled():
        print(f"\n{report.summary()}")  # noqa: T201 - what a run of the simulation is read for
    assert not report.failed, "\n\n".join(tell(each) for each in report.failed.values())
    missing = [kind for kind in KINDS if not report.counts[kind]]
    assert not missing or report.rounds < ENOUGH


@pytest.mark.parametrize("seed", SEEDS)
def test_replay_of_a_found_world_holds(seed: str) -> None:
    world = play(seed)
    assert world.observer.first is None, tell(seed)


def test_replay_of_a_world(request: pytest.FixtureRequest) -> None:
    seed: str = request.config.getoption("--world")
    world = play(seed)
    assert world.observer.first is None, tell(seed)


def test_a_world_is_played_the_same_way_again() -> None:
    first, second = (play("same.3", tracing=True) for _ in range(2))
    assert first.trace == second.trace
    assert first.trace
