"""The courier: takes deliveries when they are due, whoever left them, and carries them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from asyncpg import UniqueViolationError

from fleetkit import errors, logs
from ledger.domain.deliveries import Lease
from ledger.store.deliveries import Settled
from table_service.services.delivering import Deliverer

log = logs.get(__name__)

BATCH = 50
# The longest the courier trusts what it knows: the timers of a replica that died are learnt so.
LOOKOUT_S = 1.0
AWAY_S = 0.5
# Woken a moment after the time, so that Postgres agrees that it has come.
TICK_S = 0.001
LEASE = timedelta(seconds=8)


class Work(Protocol):
    """Where due deliveries are found."""

    async def claim(self, *, limit: int, lease: timedelta) -> list[Lease]: ...

    async def next_due(self) -> datetime | None: ...

    async def announce(self, settled: Sequence[Settled]) -> None: ...


class Courier:
    """One a replica; any number a pool, since a claim is taken by one of them only."""

    def __init__(self, *, work: Work, deliverer: Deliverer, now: Callable[[], datetime]) -> None:
        self._work = work
        self._deliverer = deliverer
        self._now = now
        self._woken = asyncio.Event()
        self._wake_at: datetime | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        return len(self._carrying)

    def wake(self, at: datetime | None = None) -> None:
        """Look again at a time, or now."""
        at = at or self._now()
        if self._wake_at is None or at < self._wake_at:
            self._wake_at = at
        self._woken.set()

    async def run(self) -> None:
        """Claim what is due, then sleep exactly until the next is."""
        while True:
            self._woken.clear()
            try:
                leases = await self._work.claim(limit=BATCH, lease=LEASE)
                for lease in leases:
                    self._spawn(lease)
                self._wake_at = await self._work.next_due()
            except errors.Unavailable:
                await asyncio.sleep(AWAY_S)
                continue
            except UniqueViolationError:
                # Another replica put a delivery of the same target in flight in between.
                continue
            if len(leases) < BATCH:
                await self._rest()

    async def _rest(self) -> None:
        """Sleep until the next delivery is due; woken for a later one, sleep on until then."""
        lookout_at = self._now() + timedelta(seconds=LOOKOUT_S)
        if self._woken.is_set():
            return
        while True:
            until = min(lookout_at, self._wake_at or lookout_at)
            pause = (until - self._now()).total_seconds()
            if pause <= 0:
                return
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause + TICK_S):
                    await self._woken.wait()

    def _spawn(self, lease: Lease) -> None:
        """Carry it beside the loop: a slow target delays no other."""
        task = asyncio.create_task(self._carry(lease), name=f"carry-{lease.id}")
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, lease: Lease) -> None:
        try:
            settled = await self._deliverer.deliver([lease])
            await self._work.announce(settled)
        except errors.Unavailable:
            log.warning("settlement_not_written", delivery=lease.id, kind=lease.kind)
        except Exception:
            log.exception("delivery_failed", delivery=lease.id, kind=lease.kind)

    async def finish(self) -> None:
        """Let what is under way end; its lease would otherwise have to run out first."""
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=LEASE.total_seconds())
