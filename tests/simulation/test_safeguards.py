from dataclasses import replace

import pytest

from simulation.fleet import run_worlds
from simulation.safeguards import ALL

# Each safeguard taken away: the invariants that break without it, and where to begin to look.
TAKEN_AWAY = [
    (("prompt", "fencing"), {1, 2, 3, 4, 5, 8}, "m", 0),
    (("leases",), {5}, "m", 0),
    (("look",), {1, 3}, "m", 0),
    (("guard",), {8}, "m", 0),
    (("order",), {5}, "m", 0),
    (("one_in_flight",), {5}, "m", 0),
    (("deadline",), {3}, "m", 0),
    (("one_result",), {1, 6}, "m", 0),
    (("one_handover",), {5}, "m", 0),
    (("no_stragglers",), {2, 4}, "m", 0),
    (("wakes",), {9}, "m", 0),
    (("unsent",), {4, 8}, "m", 88),
    (("known",), {4, 8}, "k", 570),
    (("walls",), {9, 10}, "m", 0),
]
ROUNDS = 4000


@pytest.mark.parametrize(
    ("names", "numbers", "seed", "first"), TAKEN_AWAY, ids=["+".join(t[0]) for t in TAKEN_AWAY]
)
def test_without_it_an_invariant_breaks(
    names: tuple[str, ...], numbers: set[int], seed: str, first: int
) -> None:
    safe = replace(ALL, **dict.fromkeys(names, False))
    report = run_worlds(seed, ROUNDS, safe, first=first)
    assert set(report.failed) & numbers, report.summary()


def test_slow_settlements_break_nothing_while_they_are_fenced() -> None:
    report = run_worlds("m", 600, replace(ALL, prompt=False))
    assert not report.failed
    assert report.counts["fenced"]
