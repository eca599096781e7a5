from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import breaker
from ledger.domain.breaker import CLOSED, Breaker

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def opened() -> Breaker:
    state = CLOSED
    for _ in range(3):
        state = breaker.record(state, health=False, now=NOW)
    return state


def seconds_to_probe(state: Breaker, *, waiting: bool) -> float:
    due, rested = breaker.probe_at(state, waiting), state.rested_at
    assert due is not None
    assert rested is not None
    return (due - rested).total_seconds()


def test_it_opens_after_three_failures_in_a_row() -> None:
    state = CLOSED
    for admitted in (True, True, False):
        assert state.phase == "closed"
        state = breaker.record(state, health=False, now=NOW)
        assert breaker.admit(state, NOW) is admitted
    assert (state.phase, state.opened_at) == ("open", NOW)


def test_a_healthy_answer_in_between_starts_the_count_again() -> None:
    state = CLOSED
    for health in (False, False, True, False, False):
        state = breaker.record(state, health=health, now=NOW)
    assert breaker.admit(state, NOW)


def test_what_never_met_the_target_is_no_evidence() -> None:
    state = CLOSED
    for health in (False, None, False, None, None, False):
        state = breaker.record(state, health=health, now=NOW)
    assert state.phase == "open"
    assert breaker.record(state, health=None, now=NOW) is state


@pytest.mark.parametrize(
    ("waiting", "waits"),
    [(True, [1, 2, 4, 5, 5, 5, 5, 5]), (False, [1, 2, 4, 8, 16, 32, 60, 60])],
)
def test_probes_double_to_5_s_while_deliveries_wait_and_to_60_s_otherwise(
    waiting: bool, waits: list[float]
) -> None:
    state, now, seen = opened(), NOW, []
    for _ in waits:
        seconds = seconds_to_probe(state, waiting=waiting)
        seen.append(seconds)
        due = now + seconds * SECOND
        assert not breaker.probe_due(state, due - 0.001 * SECOND, waiting)
        assert breaker.probe_due(state, due, waiting)
        now = due
        state = breaker.record(breaker.probe(state, now), health=False, now=now)
        assert (state.phase, state.opened_at) == ("open", NOW)
    assert seen == waits


def test_a_probe_that_succeeds_closes_it() -> None:
    state = breaker.probe(opened(), NOW + SECOND)
    assert state.phase == "half_open"
    assert not breaker.admit(state, NOW + SECOND)
    assert breaker.record(state, health=True, now=NOW + SECOND) == CLOSED


def test_one_probe_is_under_way_at_a_time_but_a_lost_one_is_replaced() -> None:
    state = breaker.probe(opened(), NOW + SECOND)
    assert not breaker.probe_due(state, NOW + 2 * SECOND, waiting=True)
    assert breaker.probe_due(state, NOW + SECOND + breaker.PROBE_LOST_AFTER, waiting=True)


def test_a_straggler_does_not_put_the_probe_off() -> None:
    state = opened()
    assert breaker.record(state, health=False, now=NOW + SECOND) == state


def test_a_straggler_that_succeeds_closes_it() -> None:
    assert breaker.record(opened(), health=True, now=NOW) == CLOSED


def test_a_closed_breaker_needs_no_probe() -> None:
    assert not breaker.probe_due(CLOSED, NOW, waiting=True)
    assert breaker.probe(CLOSED, NOW) == CLOSED


steps = st.lists(
    st.tuples(st.sampled_from([True, False, None]), st.booleans(), st.integers(0, 90)), max_size=30
)


def walk(path: list[tuple[bool | None, bool, int]]) -> tuple[Breaker, datetime]:
    state, now = CLOSED, NOW
    for health, probing, seconds in path:
        now += seconds * SECOND
        if probing:
            state = breaker.probe(state, now)
        state = breaker.record(state, health=health, now=now)
    return state, now


@given(steps, steps)
def test_a_replica_is_only_ever_stricter_than_the_fleet(
    mine: list[tuple[bool | None, bool, int]], theirs: list[tuple[bool | None, bool, int]]
) -> None:
    local, now = walk(mine)
    fleet, _ = walk(theirs)
    merged = breaker.merge(local, fleet)
    assert merged in (local, fleet)
    admits = breaker.admit(local, now) and breaker.admit(fleet, now)
    assert breaker.admit(merged, now) is admits
    for other in (local, fleet):
        due, their_due = breaker.probe_at(merged, True), breaker.probe_at(other, True)  # noqa: FBT003
        assert their_due is None or (due is not None and due >= their_due)


@given(steps)
def test_it_is_open_only_after_three_failures_and_always_finds_its_way_back(
    path: list[tuple[bool | None, bool, int]],
) -> None:
    state, now = walk(path)
    failures_since_health = 0
    for health, _, _ in path:
        if health is True:
            failures_since_health = 0
        elif health is False:
            failures_since_health += 1
    assert breaker.admit(state, now) is (failures_since_health < 3)
    assert breaker.admit(state, now) or breaker.probe_due(state, now + 60 * SECOND, waiting=False)
    assert breaker.admit(state, now) or breaker.probe_due(state, now + 5 * SECOND, waiting=True)
