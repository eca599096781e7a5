from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import budget
from ledger.domain.budget import EMPTY, WINDOW

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_quiet_target_has_ten_retries_a_minute() -> None:
    state = EMPTY
    for n in range(10):
        assert budget.admit(state, NOW + n * SECOND)
        state = budget.retry(state, NOW + n * SECOND)
    assert not budget.admit(state, NOW + 10 * SECOND)
    assert budget.free_at(state, NOW + 10 * SECOND) == NOW + WINDOW
    assert budget.admit(state, NOW + WINDOW)


def test_a_busy_target_has_a_fifth_of_its_first_attempts() -> None:
    state = EMPTY
    for _ in range(500):
        state = budget.first(state, NOW)
    retries = 0
    while budget.admit(state, NOW):
        state = budget.retry(state, NOW)
        retries += 1
    assert retries == 100


def test_retries_earn_no_retries() -> None:
    state = EMPTY
    for _ in range(1000):
        state = budget.retry(state, NOW)
    assert not budget.admit(state, NOW)
    assert state.allowance == 10


def test_what_is_older_than_the_window_counts_no_more() -> None:
    state = EMPTY
    for _ in range(500):
        state = budget.first(state, NOW)
    later = budget.retry(state, NOW + WINDOW)
    assert (later.firsts, later.retries, later.allowance) == (0, 1, 10)


def test_a_retry_is_free_at_once_while_the_budget_lasts() -> None:
    assert budget.free_at(EMPTY, NOW) == NOW


def test_a_clock_that_steps_back_loses_no_count() -> None:
    state = budget.retry(budget.retry(EMPTY, NOW), NOW - 10 * SECOND)
    assert state.retries == 2


calls = st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=200)


@given(calls)
def test_no_window_has_more_retries_than_its_budget(path: list[tuple[bool, float]]) -> None:
    state, now = EMPTY, NOW
    made: list[tuple[datetime, bool]] = []
    for is_first, seconds in path:
        now += seconds * SECOND
        if is_first:
            state = budget.first(state, now)
        elif budget.admit(state, now):
            state = budget.retry(state, now)
        else:
            assert now < budget.free_at(state, now) <= now + WINDOW
            assert budget.admit(state, budget.free_at(state, now))
            continue
        made.append((now, is_first))
        recent = [first for at, first in made if now - at < WINDOW - SECOND]
        firsts = sum(first for at, first in made if now - at < WINDOW)
        assert len(recent) - sum(recent) <= max(10, firsts * 0.2) or is_first
        assert len(state.slots) <= 61
