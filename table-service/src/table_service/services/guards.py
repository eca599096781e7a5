"""What keeps calls from a target that is down: its breaker and its retry budget."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from fleetkit import logs
from ledger.domain import breaker, budget
from ledger.domain.breaker import CLOSED, Breaker
from ledger.domain.budget import EMPTY, Budget
from ledger.domain.deliveries import Lease
from ledger.domain.holds import Hold
from ledger.domain.outcomes import Cause

log = logs.get(__name__)

# What waits for a breaker is woken when it closes; should that fail, it looks by itself.
HELD_FOR = timedelta(seconds=5)


class Guards:
    """The breakers and budgets of one replica, never laxer than what the fleet knows."""

    def __init__(self, *, on_change: Callable[[Lease, Breaker], None] = lambda *_: None) -> None:
        self._own: dict[str, Breaker] = {}
        self._fleet: Mapping[str, Breaker] = {}
        self._budgets: dict[str, Budget] = {}
        self._leases: dict[str, Lease] = {}
        self._on_change = on_change

    def hold(self, lease: Lease, *, again: bool, now: datetime) -> Hold | None:
        """Say why a call must not be made now, or count it."""
        code = lease.served_by
        self._leases[code] = lease
        if not breaker.admit(self.state(code), now):
            sentence = "The target is not answering; it is probed until it does."
            return Hold(Cause.BREAKER, now + HELD_FOR, sentence)
        spent = self._budgets.get(code, EMPTY)
        if not again:
            self._budgets[code] = budget.first(spent, now)
        elif budget.admit(spent, now):
            self._budgets[code] = budget.retry(spent, now)
        else:
            sentence = "The target's retries are spent for this minute."
            return Hold(Cause.LIMITER, budget.free_at(spent, now), sentence)
        return None

    def record(self, lease: Lease, health: bool | None, now: datetime) -> None:
        """Learn from a call; the fleet is told when a breaker opens or closes."""
        code = lease.served_by
        before = self.state(code)
        self._leases[code] = lease
        after = breaker.record(before, health, now)
        if after == before:
            return
        self._own[code] = after
        if after is CLOSED:
            self._fleet = {known: state for known, state in self._fleet.items() if known != code}
        if after.phase != before.phase or after.rested_at != before.rested_at:
            self._on_change(lease, after)
        if (after.opened_at is None) != (before.opened_at is None):
            name = "breaker_closed" if after.opened_at is None else "breaker_opened"
            log.warning(name, environment=lease.environment, target=code)

    def state(self, code: str) -> Breaker:
        return breaker.merge(self._own.get(code, CLOSED), self._fleet.get(code, CLOSED))

    def open_targets(self) -> list[Lease]:
        """Give a lease of each target whose breaker is open: whom to probe, and how."""
        known = {**self._own, **self._fleet}  # of all others nothing was ever noticed
        return self.leases([code for code in known if self.state(code).opened_at is not None])

    def leases(self, codes: Sequence[str]) -> list[Lease]:
        """Give the last lease of each of these targets that this replica has met."""
        return [self._leases[code] for code in codes if code in self._leases]

    def begin_probe(self, code: str, now: datetime) -> None:
        self._own[code] = breaker.probe(self.state(code), now)

    def hear(self, fleet: Mapping[str, Breaker]) -> list[str]:
        """Take over what the fleet knows; give the targets that somebody's probe has closed."""
        closed = [code for code in self._fleet if code not in fleet]
        for code in closed:
            self._own.pop(code, None)
        self._fleet = fleet
        return closed
