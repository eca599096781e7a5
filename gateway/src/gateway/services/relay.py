"""The relay, one gateway at a time: numbers what was committed and puts it on the stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, Protocol

from prometheus_client import Gauge

from fleetkit import background, errors, logs
from fleetkit.database import Database
from ledger.domain.feed import Published
from ledger.store import feed

log = logs.get(__name__)

# Looked for, not told of: a notice in each transaction would make all commits queue (ADR 14).
LOOK_EVERY_S: Final = 0.05
LEASE: Final = timedelta(seconds=2)
RENEW_EVERY_S: Final = 0.5
AGAIN_AFTER_S: Final = 0.5
# How often the stream is looked at when there is nothing new: it may have been flushed.
CHECK_STREAM_EVERY_S: Final = 1.0
PAGE: Final = 500

HOLDING: Final = Gauge("pitboss_relay_holding", "Whether this gateway is the relay of events.")
HEAD: Final = Gauge("pitboss_feed_head", "The newest number of the feed, as the relay knows it.")
BEHIND: Final = Gauge("pitboss_table_events_behind", "Events the Redis stream still lacks.")


class Stream(Protocol):
    """Where the feed is copied to, as `adapters.table_events` has it."""

    async def append(self, events: Sequence[Published], *, last: int | None) -> int | None: ...

    async def clear(self) -> None: ...


class Relay:
    """One a gateway; all but one wait."""

    def __init__(self, *, database: Database, stream: Stream, holder: str, kept: int) -> None:
        self._database = database
        self._stream = stream
        self._holder = holder
        self._kept = kept
        self._holding = False
        self._published = asyncio.Event()
        # What was last seen on the stream; None when that is not known.
        self._last: int | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background.running(self._publish(), self._copy()):
            yield
        if self._holding:
            with suppress(errors.Unavailable):
                async with self._database.connection() as conn:
                    await feed.release(conn, self._holder)

    async def _publish(self) -> None:
        while True:
            pause_s = 0.0
            try:
                if await self._hold():
                    await self._publish_while_held()
                else:
                    pause_s = AGAIN_AFTER_S
            except errors.Unavailable:
                pause_s = AGAIN_AFTER_S
            except Exception:
                log.exception("relay_failed")
                pause_s = AGAIN_AFTER_S
            await asyncio.sleep(pause_s)

    async def _hold(self) -> bool:
        held, self._holding = self._holding, False
        async with self._database.connection() as conn:
            self._holding = await feed.hold(conn, self._holder, LEASE)
            HOLDING.set(self._holding)
            if self._holding and not held:
                log.info("relay_began")
                if await feed.is_foreign(conn):
                    log.warning("feed_refilled", reason="the ledger was read in from a dump")
                    await feed.refill(conn)
        return self._holding

    async def _publish_while_held(self) -> None:
        until = time.monotonic() + RENEW_EVERY_S
        while time.monotonic() < until:
            async with self._database.connection() as conn:
                newest = await feed.publish(conn)
                if newest is not None:
                    await feed.announce(conn, newest)
                    HEAD.set(newest)
                    self._published.set()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _copy(self) -> None:
        """Keep the stream level with the feed; when it can't be, the feed goes on without it."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_STREAM_EVERY_S):
                    await self._published.wait()
            due = not self._published.is_set()
            self._published.clear()
            if not self._holding:
                continue
            try:
                await self._bring_up(look=due)
            except errors.Unavailable:
                await asyncio.sleep(AGAIN_AFTER_S)
            except Exception:
                log.exception("stream_not_written")
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _bring_up(self, *, look: bool) -> None:
        """Add what the stream lacks; if it is not as it was left, adding shows it."""
        if look or self._last is None:
            self._last = await self._stream.append([], last=self._last)
        head = await self._head()
        if self._last is not None and self._last > head:
            # Of another ledger, or of a time before this one was put back: ours would be refused.
            log.warning("stream_cleared", last=self._last, head=head)
            await self._stream.clear()
            self._last = None
        position = max(self._last or 0, head - self._kept)
        while position < head:
            BEHIND.set(head - position)
            until = min(position + PAGE, head)
            async with self._database.connection() as conn:
                events = await feed.read(conn, after=position, until=until)
            position = until
            if not events:
                continue
            self._last = await self._stream.append(events, last=self._last)
            if self._last != events[-1].seq:
                # Flushed in this moment, or another relay was quicker: look again.
                self._published.set()
                return
        BEHIND.set(0)

    async def _head(self) -> int:
        async with self._database.connection() as conn:
            return await feed.head(conn)
