"""Breakers told to the ledger, where one event is made of what many replicas notice."""

import asyncio
from datetime import datetime
from typing import Final

from fleetkit import errors, logs
from fleetkit.database import Database
from ledger.domain.breaker import Breaker
from ledger.domain.deliveries import Lease
from ledger.store import breakers
from ledger.store.breakers import Target

log = logs.get(__name__)

AGAIN_AFTER_S: Final = 1.0


class BreakerLog:
    """Writes beside the path of commands; while Postgres is away a target's newest change waits."""

    def __init__(self, database: Database, *, instance: str) -> None:
        self._database = database
        self._instance = instance
        self._untold: dict[Target, tuple[Breaker, datetime]] = {}
        self._woken = asyncio.Event()

    def tell(self, lease: Lease, state: Breaker) -> None:
        if state.phase == "half_open":
            return
        target = Target(lease.environment, lease.served_by, lease.table_id)
        self._untold[target] = (state, self._database.now())
        self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._write()
            except errors.Unavailable:
                await asyncio.sleep(AGAIN_AFTER_S)
                self._woken.set()
            except Exception:
                log.exception("breaker_not_told")
                await asyncio.sleep(AGAIN_AFTER_S)
                self._woken.set()

    async def _write(self) -> None:
        for target, (state, at) in list(self._untold.items()):
            async with self._database.connection() as conn:
                if state.opened_at is None:
                    await breakers.note_closed(conn, target, at=at)
                else:
                    await breakers.note_open(
                        conn, target, opened_at=state.opened_at, instance=self._instance
                    )
            if self._untold.get(target) == (state, at):
                del self._untold[target]
