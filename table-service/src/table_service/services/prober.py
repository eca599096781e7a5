"""The prober: asks targets behind an open breaker, in dead time, so that no round pays for it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

from fleetkit import errors, logs
from ledger.domain import breaker
from ledger.domain.breaker import Breaker
from ledger.domain.deliveries import Lease
from table_service.services.delivering import TableClient
from table_service.services.guards import Guards

log = logs.get(__name__)

ROUND_S = 0.25
# While none is open: a change is told at once, and this finds one whose telling was lost.
QUIET_S = 1.0
PROBE_FOR = timedelta(seconds=2)


class Board(Protocol):
    """Where replicas tell each other of breakers; without it each keeps its own."""

    async def read(self) -> Mapping[str, Breaker] | None: ...

    async def take_probe(self, code: str) -> bool: ...


class Waiting(Protocol):
    """The deliveries that wait for a target."""

    async def waited_for(self) -> set[str]: ...

    async def hasten(self, lease: Lease) -> None: ...


class Prober:
    """One a replica; of a pool, one probes a target at a time."""

    def __init__(
        self,
        *,
        guards: Guards,
        board: Board,
        waiting: Waiting,
        tables: TableClient,
        now: Callable[[], datetime],
    ) -> None:
        self._guards = guards
        self._board = board
        self._waiting = waiting
        self._tables = tables
        self._now = now
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: a breaker of the fleet's has opened or closed."""
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.round()
            except errors.Unavailable:
                pass  # Postgres is away: nothing could be hastened, so nothing is probed
            except Exception:
                log.exception("probing_failed")
            pause_s = ROUND_S if self._guards.open_targets() else QUIET_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._woken.wait()

    async def round(self) -> None:
        """Hear what the fleet knows, then probe what is due."""
        known = await self._board.read()
        if known is not None:
            # What was held here in the moment between another replica's probe and now goes on.
            for lease in self._guards.leases(self._guards.hear(known)):
                await self._waiting.hasten(lease)
        # Postgres is asked once for all, and only where what waits may matter: it hastens a probe.
        targets = [one for one in self._guards.open_targets() if self._is_due(one, waiting=True)]
        if targets:
            waited_for = await self._waiting.waited_for()
            due = (one for one in targets if self._is_due(one, waiting=one.served_by in waited_for))
            await asyncio.gather(*map(self._probe, due))

    def _is_due(self, lease: Lease, *, waiting: bool) -> bool:
        return breaker.probe_due(self._guards.state(lease.served_by), self._now(), waiting)

    async def _probe(self, lease: Lease) -> None:
        code = lease.served_by
        if not await self._board.take_probe(code):
            return
        self._guards.begin_probe(code, self._now())
        reply = await self._tables.call(lease, "get", until=self._now() + PROBE_FOR)
        self._guards.record(lease, reply.verdict.health, reply.at)
        if self._guards.state(code).opened_at is None:
            await self._waiting.hasten(lease)
