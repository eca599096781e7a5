"""How long, how often and how patiently each command is tried.

The command's policy sets a ceiling for each wait: its phase's base, doubled to the phase's cap.
The cause places the wait under it: a timeout or lost connection anywhere between nothing and the
ceiling (full jitter, 30 s at most), anything else at 5 s or the ceiling if lower (in the slow
phase, the ceiling itself), and a 429 exactly as long as it asked, whatever the ceiling.
No wait reaches past the deadline: what would is not tried again and expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from ledger.domain.outcomes import RETRY_AFTER_CAP_S, Cause, Outcome

TRANSPORT = frozenset({Cause.REFUSED, Cause.TIMEOUT, Cause.CONNECTION})

_TRANSPORT_CAP_S = 30.0
_TRANSIENT_S = 5.0
_BREAKER_SLOW_S = 30.0
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """A ceiling that doubles from `base` to `cap` (seconds)."""

    base: float
    cap: float

    def ceiling(self, doublings: int) -> float:
        return min(self.cap, self.base * 2.0 ** max(0, min(doublings, _MOST_DOUBLINGS)))


@dataclass(frozen=True, slots=True)
class Policy:
    """How one kind of command is carried through.

    `retries` are the outcomes after which it may be sent again. Where `reconcile` is set an unknown
    is looked at first, and a look that proves nothing happened makes it not sent. `guard` asks for
    a look before every attempt but the first, for want of a round id in the call. No `deadline`
    means until a later command settles it; `fast_for` None, that the fast phase never ends.
    """

    deadline: timedelta | None
    fast: Backoff
    slow: Backoff | None = None
    fast_for: timedelta | None = None
    retries: frozenset[Outcome] = frozenset({Outcome.NOT_SENT, Outcome.UNKNOWN})
    overtakes: frozenset[str] = frozenset()
    reconcile: bool = True
    guard: bool = False

    def again(self, outcome: Outcome) -> bool:
        return outcome in self.retries


_DAY = timedelta(hours=24)
_MINUTE = timedelta(minutes=1)
_PATIENT = Backoff(0.25, 5.0)
_SLOW = Backoff(10.0, 300.0)
_QUICK = Backoff(0.25, 2.0)
_HALF_MINUTE = timedelta(seconds=30)
_TABLE_COMMAND = Policy(deadline=_HALF_MINUTE, fast=_QUICK)

POLICIES: Mapping[str, Policy] = {
    "start": Policy(
        deadline=timedelta(seconds=3),
        fast=Backoff(0.1, 1.0),
        retries=frozenset({Outcome.NOT_SENT}),
    ),
    "bet-stop": Policy(deadline=None, fast=_QUICK, guard=True),
    "result": Policy(deadline=_DAY, fast=_PATIENT, slow=_SLOW, fast_for=_MINUTE),
    "finish": Policy(deadline=_DAY, fast=_PATIENT, slow=_SLOW, fast_for=_MINUTE, guard=True),
    "cancel": Policy(
        deadline=_DAY,
        fast=_PATIENT,
        slow=_SLOW,
        fast_for=_MINUTE,
        overtakes=frozenset({"start", "bet-stop", "result"}),
        guard=True,
    ),
    "pause": _TABLE_COMMAND,
    "resume": _TABLE_COMMAND,
    "visibility": _TABLE_COMMAND,
    # afterSeconds, where given, is its deadline instead; unknown is final, for nothing can be seen
    "broadcast": Policy(
        deadline=timedelta(seconds=20),
        fast=_QUICK,
        retries=frozenset({Outcome.NOT_SENT}),
        reconcile=False,
    ),
}


def next_attempt(
    kind: str,
    verdict_cause: Cause,
    *,
    attempt: int,
    first_sent_at: datetime | None,
    now: datetime,
    retry_after_s: float | None,
    random: Random,
    deadline: datetime | None = None,
) -> datetime | None:
    """Say when to try (or look) again after `attempt` attempts; None when the deadline is before.

    `deadline` is the delivery's own; without it the policy's counts from the first attempt.
    """
    policy = POLICIES[kind]
    began = min(first_sent_at or now, now)
    limit = deadline
    if limit is None and policy.deadline is not None:
        limit = began + policy.deadline
    wait = _wait(
        policy,
        verdict_cause,
        attempt=attempt,
        elapsed=now - began,
        retry_after_s=retry_after_s,
        random=random,
    )
    due = now + timedelta(seconds=wait)
    return None if limit is not None and due >= limit else due


def _wait(
    policy: Policy,
    cause: Cause,
    *,
    attempt: int,
    elapsed: timedelta,
    retry_after_s: float | None,
    random: Random,
) -> float:
    if cause is Cause.RATE_LIMITED:
        asked = RETRY_AFTER_CAP_S if retry_after_s is None else retry_after_s
        return max(0.0, min(asked, RETRY_AFTER_CAP_S))
    slow = policy.slow if policy.fast_for is not None and elapsed >= policy.fast_for else None
    if cause is Cause.BREAKER:
        # no attempt is made meanwhile and closing wakes what waits: this is only the fallback
        return min(_BREAKER_SLOW_S if slow else _TRANSIENT_S, (slow or policy.fast).cap)
    if slow is None or policy.fast_for is None:
        ceiling = policy.fast.ceiling(attempt - 1)
    else:
        ceiling = slow.ceiling(_doublings(elapsed - policy.fast_for, slow.base))
    if cause in TRANSPORT:
        return random.uniform(0.0, min(ceiling, _TRANSPORT_CAP_S))
    return ceiling if slow else min(ceiling, _TRANSIENT_S)


def _doublings(spent: timedelta, base: float) -> int:
    """Count the doublings of waits base, 2 base, 4 base ... that fill the time spent so."""
    return int(spent.total_seconds() / base + 1).bit_length() - 1
