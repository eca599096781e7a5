"""Delivering: a lease carried from its first step to the settlement that is written of it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from fleetkit import logs
from ledger.domain import failover, steps
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Attempt, Lease, Settlement
from ledger.domain.holds import held
from ledger.domain.outcomes import Outcome
from ledger.domain.steps import Do, Reply
from ledger.domain.tableview import TableView
from ledger.store.deliveries import Settled
from table_service.services.guards import Guards

log = logs.get(__name__)

# A call is begun only while it can end before the lease does, by Postgres's clock.
MARGIN = timedelta(milliseconds=250)
SHORTEST_CALL = timedelta(milliseconds=50)
# Outcomes that come this close together are written in one statement.
GROUP_S = 0.025
FORGET_EVERY = timedelta(seconds=1)


class Store(Protocol):
    """Where settlements are written; only those whose lease is still held come back."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]: ...

    async def switch(self, lease: Lease, served_by: str, *, reason: str | None) -> Lease | None: ...


class TableClient(Protocol):
    """How a target is reached."""

    async def call(self, lease: Lease, operation: str, *, until: datetime) -> Reply: ...


class Deliverer:
    """Carries leases; the same engine runs in a replica and in the simulation."""

    def __init__(
        self,
        *,
        store: Store,
        tables: TableClient,
        guards: Guards,
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._store = store
        self._tables = tables
        self._guards = guards
        self._now = now
        self._random = random
        self._carried: dict[str, datetime] = {}
        self._forget_at = now()

    async def deliver(self, leases: Sequence[Lease]) -> list[Settled]:
        """Carry all at once; what is slow keeps nothing else from being written."""
        self._forget()
        leases = [lease for lease in leases if self._is_new(lease)]
        if len(leases) == 1:  # as nearly always: one needs no task, and no timer
            return await self._settle([await self._try(leases[0])])
        ended: asyncio.Queue[Settlement | None] = asyncio.Queue()
        tasks = [asyncio.create_task(self._carry_beside(lease, ended)) for lease in leases]
        if tasks:
            await asyncio.wait(tasks, timeout=GROUP_S)
        settled: list[Settled] = []
        left = len(tasks)
        while left:
            group = [await ended.get()]
            while not ended.empty():
                group.append(ended.get_nowait())
            left -= len(group)
            settled += await self._settle(group)
        return settled

    def _forget(self) -> None:
        """Let go of leases that have run out; not at each call, as there may be thousands."""
        now = self._now()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            self._carried = {token: until for token, until in self._carried.items() if until > now}

    def _is_new(self, lease: Lease) -> bool:
        """Remember a lease until it has run out: the same one twice is carried once."""
        if lease.token in self._carried:
            log.warning("lease_came_twice", delivery=lease.id, kind=lease.kind)
            return False
        self._carried[lease.token] = lease.lease_until
        return True

    async def _carry_beside(self, lease: Lease, ended: asyncio.Queue[Settlement | None]) -> None:
        settlement = None
        try:
            settlement = await self._try(lease)
        finally:
            ended.put_nowait(settlement)

    async def _try(self, lease: Lease) -> Settlement | None:
        """Carry; what fails on our side keeps no other lease from being written."""
        try:
            return await self._carry(lease)
        except Exception:
            log.exception("delivery_failed")
            return None

    async def _settle(self, ended: Sequence[Settlement | None]) -> list[Settled]:
        settlements = [settlement for settlement in ended if settlement is not None]
        return await self._store.settle(settlements) if settlements else []

    async def _carry(self, lease: Lease) -> Settlement | None:
        if self._now() >= lease.lease_until:
            log.warning("lease_came_late", delivery=lease.id, kind=lease.kind)
            return None
        attempts: list[Attempt] = []
        settlement = await self._work(lease, attempts)
        for backup in lease.backups:
            if backup == lease.served_by or not self._may_fail_over(settlement, attempts):
                continue
            taken = await self._store.switch(lease, backup, reason=settlement.detail)
            if taken is None:
                break
            lease = taken
            settlement = await self._work(lease, attempts)
        return steps.with_attempts(settlement, attempts)

    def _may_fail_over(self, settlement: Settlement, attempts: Sequence[Attempt]) -> bool:
        in_doubt = any(attempt.outcome == Outcome.UNKNOWN for attempt in attempts)
        left = settlement.lease.lease_until - MARGIN - self._now()
        return left >= SHORTEST_CALL and failover.allows(settlement, in_doubt=in_doubt)

    async def _work(self, lease: Lease, attempts: list[Attempt]) -> Settlement:
        """Take one step after the other at the leg's target until something can be written."""
        until = lease.lease_until - MARGIN
        step = steps.first(lease, self._now())
        refusal: Reply | None = None
        seen: TableView | None = None
        while isinstance(step, Do):
            if until - self._now() < SHORTEST_CALL:
                return self._give_back(lease, sent=bool(attempts))
            # A look is no repeat: what counts against the budget is a command sent once more.
            again = step is Do.SEND and (lease.attempts > 0 or _sent(lease, attempts))
            hold = self._guards.hold(lease, again=again, now=self._now())
            if hold is not None:
                return held(lease, hold, now=self._now(), sent=bool(attempts))
            operation = "get" if step is Do.LOOK else lease.kind.operation
            limit = min(until, lease.deadline_at) if self._bounded(lease, step) else until
            reply = await self._tables.call(lease, operation, until=limit)
            attempts += reply.attempts
            self._guards.record(lease, reply.verdict.health, reply.at)
            if step is Do.LOOK:
                seen = reply.verdict.table
                step = steps.after_look(lease, reply, refusal=refusal, random=self._random)
            else:
                step = steps.after_send(lease, reply, random=self._random, seen=seen)
                refusal = reply
        return step

    @staticmethod
    def _bounded(lease: Lease, step: Do) -> bool:
        """Say whether the call must be over by the deadline: a late start is harmful."""
        return step is Do.SEND and lease.kind is Kind.START

    def _give_back(self, lease: Lease, *, sent: bool) -> Settlement:
        """Leave the delivery to the courier: too little of the lease is left to begin a call."""
        now = self._now()
        look = lease.look or sent
        return Settlement(lease, "unknown" if look else "pending", now, due_at=now, look=look)


def _sent(lease: Lease, attempts: Sequence[Attempt]) -> bool:
    return any(attempt.operation == lease.kind.operation for attempt in attempts)
