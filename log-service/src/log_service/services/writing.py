"""Writing: from the stream to Postgres, each line once, acknowledged after the commit."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncpg import CheckViolationError, PostgresError

from fleetkit import errors, logs
from fleetkit.bus import Batch, Bus, Entry
from fleetkit.database import Database
from log_service.adapters import meters, store, stream
from log_service.adapters.wire import Teller
from log_service.domain import entries
from log_service.domain.lines import Stored

log = logs.get(__name__)

BATCH: Final = 100
FLUSH_S: Final = 0.2
"""A line waits so long at most for others to be written with."""
TAKEOVER_S: Final = 15.0
FIRST_BACKOFF_S: Final = 0.1
LAST_BACKOFF_S: Final = 2.0
UPKEEP_EVERY_S: Final = 600.0
_DAY: Final = timedelta(days=1)


class Writer:
    """One consumer of the stream."""

    def __init__(
        self, *, bus: Bus, database: Database, teller: Teller, name: str, days: int
    ) -> None:
        self._bus = bus
        self._database = database
        self._teller = teller
        self._name = name
        self._days = days
        self._made: set[datetime] = set()

    async def run(self) -> None:
        async with self._bus.consume(
            stream.queue(),
            group=stream.GROUP,
            consumer=self._name,
            batch=BATCH,
            takeover_s=TAKEOVER_S,
        ) as batches:
            async for batch in batches:
                began = time.monotonic()
                await self._write(batch)
                if len(batch.entries) < BATCH:
                    await asyncio.sleep(max(0.0, began + FLUSH_S - time.monotonic()))

    async def _write(self, batch: Batch) -> None:
        good: list[tuple[Entry, Stored]] = []
        for entry in batch.entries:
            try:
                good.append((entry, entries.read(entry.id, entry.fields, entry.at)))
            except entries.UnreadableError as error:
                await _bury(batch, entry, str(error))
        if good and not await self._try([line for _, line in good]):
            # One of them is what Postgres will not have: find out which.
            for entry, line in good:
                if reason := await self._refused(line):
                    await _bury(batch, entry, reason)
        await batch.ack()

    async def _try(self, lines: Sequence[Stored]) -> bool:
        """Write them, waiting for as long as Postgres is away; False when it refuses them."""
        try:
            await self._insist(lines)
        except PostgresError as error:
            log.warning("log_batch_refused", reason=f"{type(error).__name__}: {error}")
            return False
        return True

    async def _refused(self, line: Stored) -> str | None:
        try:
            await self._insist([line])
        except PostgresError as error:
            return f"Postgres refused it: {type(error).__name__}: {error}"[:500]
        return None

    async def _insist(self, lines: Sequence[Stored]) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                written = await self._store(lines)
            except errors.Unavailable:
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
                continue
            meters.WRITTEN.inc(written)
            meters.REPEATED.inc(len(lines) - written)
            await self._teller.tell(lines)
            return

    async def _store(self, lines: Sequence[Stored]) -> int:
        try:
            await self._make_days(lines)
            async with self._database.connection() as conn:
                return await store.write(conn, lines)
        except CheckViolationError:
            # A day that was dropped since it was made here.
            self._made.clear()
            await self._make_days(lines)
            async with self._database.connection() as conn:
                return await store.write(conn, lines)

    async def _make_days(self, lines: Sequence[Stored]) -> None:
        days = {_day(one.line.at) for one in lines} - self._made
        for day in sorted(days):
            async with self._database.connection() as conn:
                await store.make_day(conn, day)
            self._made.add(day)

    async def keep(self) -> None:
        """Have tomorrow's partition ready, and drop the days that are over."""
        while True:
            today = _day(self._database.now())
            try:
                async with self._database.connection() as conn:
                    await store.make_day(conn, today + _DAY)
                    dropped = await store.drop_days(conn, today - timedelta(days=self._days))
                if dropped:
                    log.info("log_days_dropped", days=dropped)
            except errors.Unavailable:
                pass
            except PostgresError as error:  # somebody reads for long: another time
                log.warning("log_days_not_dropped", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(UPKEEP_EVERY_S)

    async def measure(self) -> None:
        """Show how much waits."""
        while True:
            with suppress(errors.Unavailable):
                meters.WAITING.set(await self._bus.length(stream.queue()))
            await asyncio.sleep(1.0)


async def _bury(batch: Batch, entry: Entry, reason: str) -> None:
    meters.DEAD.inc()
    log.warning("log_entry_buried", entry=entry.id, reason=reason)
    await batch.dead(entry, reason)


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
