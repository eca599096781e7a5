"""The retry budget of one target: retries may add a fifth to its calls, never drown it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
SHARE = 0.2
FLOOR = 10

_SLOT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Slot:
    """The calls of one second."""

    at: datetime
    firsts: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The calls of the last window, oldest first."""

    slots: tuple[Slot, ...] = ()

    @property
    def firsts(self) -> int:
        return sum(slot.firsts for slot in self.slots)

    @property
    def retries(self) -> int:
        return sum(slot.retries for slot in self.slots)

    @property
    def allowance(self) -> int:
        return max(FLOOR, int(self.firsts * SHARE))


EMPTY = Budget()


def first(state: Budget, now: datetime) -> Budget:
    """Count a first attempt; it is never refused."""
    return _count(state, now, firsts=1)


def admit(state: Budget, now: datetime) -> bool:
    """Say whether a retry may be sent now."""
    fresh = _fresh(state, now)
    return fresh.retries < fresh.allowance


def retry(state: Budget, now: datetime) -> Budget:
    """Count a retry that was admitted."""
    return _count(state, now, retries=1)


def free_at(state: Budget, now: datetime) -> datetime:
    """Say when a retry that has to wait may be admitted, if nothing else happens meanwhile."""
    fresh = _fresh(state, now)
    when = now
    while fresh.retries >= fresh.allowance and fresh.slots:
        when = fresh.slots[0].at + WINDOW
        fresh = Budget(fresh.slots[1:])
    return when


def _fresh(state: Budget, now: datetime) -> Budget:
    kept = tuple(slot for slot in state.slots if now - slot.at < WINDOW)
    return state if len(kept) == len(state.slots) else Budget(kept)


def _count(state: Budget, now: datetime, *, firsts: int = 0, retries: int = 0) -> Budget:
    slots = _fresh(state, now).slots
    # a clock that steps back keeps counting in the newest slot, so the order holds
    if slots and now - slots[-1].at < _SLOT:
        last = slots[-1]
        merged = Slot(last.at, last.firsts + firsts, last.retries + retries)
        return Budget((*slots[:-1], merged))
    return Budget((*slots, Slot(now, firsts, retries)))
