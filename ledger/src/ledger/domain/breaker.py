"""The breaker of one target, made for a table that sees a command every half minute.

A window of calls would never fill, so three failures in a row open it, and a probe (a GET, in dead
time) closes it, so that no round of a dealer's pays for finding out.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

OPENS_AFTER = 3
PROBE_LOST_AFTER = timedelta(seconds=5)

_FIRST_PROBE_S = 1.0
_CAP_WAITING_S = 5.0
_CAP_IDLE_S = 60.0
_MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of a target's health; `rested_at` is when it opened or a probe last failed."""

    failures: int = 0
    opened_at: datetime | None = None
    rested_at: datetime | None = None
    failed_probes: int = 0
    probing_since: datetime | None = None

    @property
    def phase(self) -> Literal["closed", "open", "half_open"]:
        if self.opened_at is None:
            return "closed"
        return "open" if self.probing_since is None else "half_open"


CLOSED = Breaker()


def record(state: Breaker, health: bool | None, now: datetime) -> Breaker:
    """Add the evidence of one call or probe; None (the target was not met) changes nothing."""
    if health is None:
        return state
    if health:
        return CLOSED
    if state.opened_at is None:
        failures = state.failures + 1
        if failures < OPENS_AFTER:
            return replace(state, failures=failures)
        return Breaker(failures=failures, opened_at=now, rested_at=now)
    if state.probing_since is None:
        # a call begun before it opened: it tells nothing new and must not put the probe off
        return state
    return replace(state, rested_at=now, failed_probes=state.failed_probes + 1, probing_since=None)


def admit(state: Breaker, now: datetime) -> bool:  # noqa: ARG001 - the rule may come to need it
    """Say whether a command may be sent; half-open lets a probe through, never a command."""
    return state.opened_at is None


def probe_at(state: Breaker, waiting: bool) -> datetime | None:
    """Say when the next probe is due: sooner while deliveries wait for the target."""
    if state.opened_at is None:
        return None
    if state.probing_since is not None:
        return state.probing_since + PROBE_LOST_AFTER
    doubled = _FIRST_PROBE_S * 2.0 ** min(state.failed_probes, _MOST_DOUBLINGS)
    cap = _CAP_WAITING_S if waiting else _CAP_IDLE_S
    return (state.rested_at or state.opened_at) + timedelta(seconds=min(doubled, cap))


def probe_due(state: Breaker, now: datetime, waiting: bool) -> bool:
    due = probe_at(state, waiting)
    return due is not None and now >= due


def probe(state: Breaker, now: datetime) -> Breaker:
    """Mark a probe as under way; one that never reports counts as lost after a while."""
    return state if state.opened_at is None else replace(state, probing_since=now)


def merge(local: Breaker, fleet: Breaker) -> Breaker:
    """Take the stricter of what this replica and the fleet know."""
    return max(local, fleet, key=_strictness)


def _strictness(state: Breaker) -> tuple[bool, float, int]:
    due = probe_at(state, waiting=True)
    return (due is not None, due.timestamp() if due else 0.0, state.failures)
