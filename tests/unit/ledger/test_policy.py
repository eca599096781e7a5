from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.outcomes import Cause, Outcome
from ledger.domain.policy import POLICIES, Backoff, next_attempt

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TRANSPORT = [Cause.REFUSED, Cause.TIMEOUT, Cause.CONNECTION]
TRANSIENT = [
    Cause.SESSION, Cause.UNAVAILABLE, Cause.SERVER, Cause.PROTOCOL, Cause.LIMITER, Cause.NONE,
]  # fmt: skip
PATIENT = ["result", "finish", "cancel"]
QUICK = ["bet-stop", "pause", "resume", "visibility"]

kinds = st.sampled_from(sorted(POLICIES))
causes = st.sampled_from(list(Cause))


class Highest(Random):
    """Every draw is the highest, so a jittered wait shows its ceiling."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def wait(
    kind: str,
    cause: Cause,
    attempt: int,
    *,
    elapsed: float = 0,
    asked: float | None = None,
    random: Random | None = None,
) -> float | None:
    due = next_attempt(
        kind,
        cause,
        attempt=attempt,
        first_sent_at=NOW - elapsed * SECOND,
        now=NOW,
        retry_after_s=asked,
        random=random or Highest(),
    )
    return None if due is None else (due - NOW).total_seconds()


def test_every_command_has_a_policy() -> None:
    assert set(POLICIES) == {
        "start", "bet-stop", "result", "finish", "cancel", "pause", "resume", "visibility",
        "broadcast",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "deadline"),
    [
        ("start", 3),
        ("bet-stop", None),
        ("result", 86400),
        ("finish", 86400),
        ("cancel", 86400),
        ("pause", 30),
        ("resume", 30),
        ("visibility", 30),
        ("broadcast", 20),
    ],
)
def test_the_deadline_of_each_command(kind: str, deadline: int | None) -> None:
    expected = None if deadline is None else timedelta(seconds=deadline)
    assert POLICIES[kind].deadline == expected


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_what_is_retried_and_what_is_looked_at(kind: str) -> None:
    policy = POLICIES[kind]
    assert policy.again(Outcome.NOT_SENT)
    assert policy.again(Outcome.UNKNOWN) == (kind not in ("start", "broadcast"))
    assert policy.reconcile == (kind != "broadcast")
    assert policy.guard == (kind in ("finish", "cancel", "bet-stop"))
    for settled in set(Outcome) - {Outcome.NOT_SENT, Outcome.UNKNOWN}:
        assert not policy.again(settled)


def test_only_cancel_overtakes() -> None:
    assert POLICIES["cancel"].overtakes == {"start", "bet-stop", "result"}
    assert not any(policy.overtakes for kind, policy in POLICIES.items() if kind != "cancel")


@pytest.mark.parametrize("kind", PATIENT)
@pytest.mark.parametrize("cause", TRANSPORT)
def test_a_patient_command_doubles_from_250_ms_to_5_s_in_its_first_minute(
    kind: str, cause: Cause
) -> None:
    waits = [wait(kind, cause, attempt) for attempt in range(1, 9)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert wait(kind, cause, 99, elapsed=59) == 5.0


@pytest.mark.parametrize("kind", PATIENT)
def test_a_patient_command_doubles_from_10_s_to_5_min_after_its_first_minute(kind: str) -> None:
    elapsed, waits = 60.0, []
    for attempt in range(20, 28):
        ceiling = wait(kind, Cause.SERVER, attempt, elapsed=elapsed)
        assert ceiling is not None
        waits.append(ceiling)
        elapsed += ceiling
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize("kind", PATIENT)
@pytest.mark.parametrize("cause", TRANSPORT)
def test_lost_connections_wait_30_s_at_most_even_late(kind: str, cause: Cause) -> None:
    assert wait(kind, cause, 50, elapsed=60) == 10
    assert wait(kind, cause, 50, elapsed=3600) == 30


@pytest.mark.parametrize("kind", QUICK)
def test_a_quick_command_doubles_from_250_ms_to_2_s(kind: str) -> None:
    waits = [wait(kind, Cause.TIMEOUT, attempt) for attempt in range(1, 7)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_a_start_tries_again_from_100_ms_inside_its_deadline() -> None:
    waits = [wait("start", Cause.REFUSED, attempt) for attempt in range(1, 6)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert wait("start", Cause.REFUSED, 5, elapsed=1.9) == 1.0
    assert wait("start", Cause.REFUSED, 5, elapsed=2.0) is None


@pytest.mark.parametrize("cause", TRANSIENT)
def test_anything_else_waits_5_s_within_the_policy(cause: Cause) -> None:
    assert wait("result", cause, 1) == 0.25
    assert wait("result", cause, 30) == 5.0
    assert wait("pause", cause, 30) == 2.0


@pytest.mark.parametrize(
    ("asked", "seconds"), [(7.0, 7.0), (0.0, 0.0), (60.0, 60.0), (3600.0, 60.0), (None, 60.0)]
)
@pytest.mark.parametrize("kind", ["result", "bet-stop"])
def test_a_429_waits_as_asked_whatever_the_policy(
    kind: str, asked: float | None, seconds: float
) -> None:
    assert wait(kind, Cause.RATE_LIMITED, 1, asked=asked) == seconds


def test_a_429_that_asks_for_more_than_is_left_ends_it() -> None:
    assert wait("start", Cause.RATE_LIMITED, 1, asked=5) is None
    assert wait("pause", Cause.RATE_LIMITED, 1) is None


@pytest.mark.parametrize(
    ("kind", "elapsed", "seconds"),
    [("result", 0, 5.0), ("result", 600, 30.0), ("bet-stop", 0, 2.0), ("start", 0, 1.0)],
)
def test_an_open_breaker_defers_at_the_pace_of_the_phase(
    kind: str, elapsed: float, seconds: float
) -> None:
    assert wait(kind, Cause.BREAKER, 0, elapsed=elapsed) == seconds


def test_the_deliverys_own_deadline_goes_before_the_policys() -> None:
    def due(deadline: datetime) -> datetime | None:
        return next_attempt(
            "start",
            Cause.SERVER,
            attempt=1,
            first_sent_at=NOW,
            now=NOW,
            retry_after_s=None,
            random=Random(1),
            deadline=deadline,
        )

    assert due(NOW + 0.1 * SECOND) is None
    assert due(NOW + 0.2 * SECOND) == NOW + 0.1 * SECOND


def test_what_was_never_sent_is_in_its_first_phase() -> None:
    due = next_attempt(
        "result",
        Cause.LIMITER,
        attempt=0,
        first_sent_at=None,
        now=NOW,
        retry_after_s=None,
        random=Random(1),
    )
    assert due == NOW + 0.25 * SECOND


@given(kinds, causes, st.integers(0, 10**6), st.floats(0, 10**6), st.integers())
def test_a_wait_is_within_its_caps_and_before_the_deadline(
    kind: str, cause: Cause, attempt: int, elapsed: float, seed: int
) -> None:
    policy = POLICIES[kind]
    seconds = wait(kind, cause, attempt, elapsed=elapsed, random=Random(seed))
    if seconds is None:
        return
    cap = max(policy.fast.cap, policy.slow.cap if policy.slow else 0)
    assert 0 <= seconds <= (60 if cause is Cause.RATE_LIMITED else cap)
    if cause in TRANSPORT:
        assert seconds <= 30
    if policy.deadline is not None:
        assert elapsed + seconds < policy.deadline.total_seconds() + 1e-3


@given(kinds, causes, st.integers(1, 200), st.floats(0, 10**5), st.floats(0, 10**5))
def test_ceilings_never_fall_with_attempts_or_time(
    kind: str, cause: Cause, attempt: int, elapsed: float, more: float
) -> None:
    now = wait(kind, cause, attempt, elapsed=elapsed)
    for later in (
        wait(kind, cause, attempt + 1, elapsed=elapsed),
        wait(kind, cause, attempt, elapsed=elapsed + more),
    ):
        assert later is None or (now is not None and later >= now)


@given(st.integers(1, 40), st.integers())
def test_full_jitter_spreads_from_nothing_to_the_ceiling(attempt: int, seed: int) -> None:
    random = Random(seed)
    ceiling = Backoff(0.25, 5.0).ceiling(attempt - 1)
    draws = [wait("result", Cause.TIMEOUT, attempt, random=random) for _ in range(60)]
    known = [draw for draw in draws if draw is not None]
    assert len(known) == 60
    assert 0 <= min(known) < ceiling / 2 < max(known) <= ceiling
