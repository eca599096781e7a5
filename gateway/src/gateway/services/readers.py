"""Readers of events: one tail of the feed a gateway, and a bounded queue for each of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

from prometheus_client import Gauge

from fleetkit import background, errors, logs
from fleetkit.database import Connection, Database, Listener
from gateway.services import frames
from gateway.services.reader import Ask, End, Reader
from ledger.domain.feed import Published
from ledger.store import feed

log = logs.get(__name__)

# A notice may be lost: then the tail looks by itself.
LOOK_EVERY_S: Final = 1.0
WATCH_EVERY_S: Final = 0.2
CHECK_KEYS_EVERY_S: Final = 1.0
PAGE: Final = 500
# So much of the feed is gone through at once for a reader that catches up.
STRIDE: Final = 5000
CATCHING_UP_AT_ONCE: Final = 4
MOST_READERS: Final = 1000
RETRY_MS: Final = 1000

READERS: Final = Gauge("pitboss_event_readers", "Open streams of events on this gateway.")


class Readers:
    """All open streams of this gateway."""

    def __init__(self, *, database: Database, draining: Callable[[], bool]) -> None:
        self._database = database
        self._draining = draining
        self._open: set[Reader] = set()
        # Those among them that have caught up and are told what is new.
        self._live: set[Reader] = set()
        # The live ones were told everything up to here; None while there are none.
        self._told: int | None = None
        self._woken = asyncio.Event()
        self._catching_up = asyncio.Semaphore(CATCHING_UP_AT_ONCE)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, name: str, database: Database, draining: Callable[[], bool]
    ) -> AsyncIterator[Self]:
        readers = cls(database=database, draining=draining)
        listener = Listener(
            url,
            name=f"{name}-events",
            channels=[feed.PUBLISHED_CHANNEL],
            on_notify=readers.wake,
            on_reconnect=readers.wake,
        )
        async with listener, background.running(readers.tail(), readers.watch()):
            yield readers

    def wake(self, *_: str) -> None:
        self._woken.set()

    async def admit(self, ask: Ask) -> Reader:
        """Take a reader in where it left off; `after` is refused when it can't have been there."""
        if self._draining():
            raise errors.Unavailable(
                "This gateway is stopping.", code="gateway_stopping", retry_after_s=1
            )
        if len(self._open) >= MOST_READERS:
            raise errors.Unavailable(
                f"This gateway has its {MOST_READERS} readers.",
                code="too_many_readers",
                retry_after_s=5,
            )
        reader = Reader(ask)
        async with self._database.connection() as conn:
            head = await feed.head(conn)
        reader.after = head if ask.after is None else ask.after
        if reader.after > head:
            raise errors.Invalid(
                f"Last-Event-ID {reader.after} lies in the future: the newest event is {head}.",
                code="future_event_id",
                field="header.last-event-id",
            )
        return reader

    async def follow(self, reader: Reader) -> AsyncIterator[bytes]:
        """Give what the reader is to be sent, until it is ended."""
        self._open.add(reader)
        READERS.set(len(self._open))
        try:
            yield frames.begin(RETRY_MS)
            async for missed in self._catch_up(reader):
                yield missed
            while reader.why is None:
                if taken := await reader.take():
                    yield taken
            # Not all at once: hundreds may have to come back.
            retry_ms = RETRY_MS + random.randrange(2 * RETRY_MS)
            yield frames.end(*reader.why.value, retry_ms)
        finally:
            self._open.discard(reader)
            self._live.discard(reader)
            READERS.set(len(self._open))

    async def _catch_up(self, reader: Reader) -> AsyncIterator[bytes]:
        """Read what was missed out of the ledger, at the reader's own pace; then let it go live."""
        while reader.why is None:
            async with self._catching_up, self._database.connection() as conn:
                head = await feed.head(conn)
                until = min(head, reader.after + STRIDE)
                missed = await self._missed(conn, reader, until)
            if missed:
                yield missed
            if until == head:
                break
        if self._told is None:
            self._told = reader.after
        self._live.add(reader)
        self.wake()
        told = self._told
        if told > reader.after:
            # What the others were told meanwhile; what comes from now on is in the queue.
            async with self._catching_up, self._database.connection() as conn:
                missed = await self._missed(conn, reader, told)
            if missed:
                yield missed

    async def _missed(self, conn: Connection, reader: Reader, until: int) -> bytes:
        if until <= reader.after:
            return b""
        events = await feed.read(conn, after=reader.after, until=until, wanted=reader.ask.wanted)
        reader.after = until
        return b"".join(_write(event, reader.ask.within) for event in events)

    async def tail(self) -> None:
        """Tell the live readers what is new."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._woken.wait()
            self._woken.clear()
            if not self._live:
                self._told = None
                continue
            try:
                await self._tell()
            except errors.Unavailable:
                pass  # nothing is lost: it is read when Postgres is back
            except Exception:
                log.exception("tail_failed")

    async def _tell(self) -> None:
        head = None
        while self._told is not None and (head is None or self._told < head):
            async with self._database.connection() as conn:
                head = await feed.head(conn)
                until = min(head, self._told + PAGE)
                if until <= self._told:
                    return
                events = await feed.read(conn, after=self._told, until=until)
            self._told = until
            for event in events:
                self._push(event)
            # A burst is no reason to keep the rest of the gateway waiting.
            await asyncio.sleep(0)

    def _push(self, event: Published) -> None:
        written: dict[frozenset[str] | None, bytes] = {}
        for reader in self._live:
            ask = reader.ask
            if event.seq <= reader.after or not ask.wanted.takes(event):
                continue
            if ask.within not in written:
                written[ask.within] = _write(event, ask.within)
            reader.push(written[ask.within])

    async def watch(self) -> None:
        """End the streams of a gateway that stops, and of keys that are no longer valid."""
        loop = asyncio.get_running_loop()
        check_at = loop.time()
        while True:
            if self._draining():
                for reader in list(self._open):
                    reader.end(End.STOPPING)
            elif loop.time() >= check_at:
                await self._check_keys()
                check_at = loop.time() + CHECK_KEYS_EVERY_S
            await asyncio.sleep(WATCH_EVERY_S)

    async def _check_keys(self) -> None:
        allowed: dict[str, bool] = {}
        for reader in list(self._open):
            credential = reader.ask.credential
            if credential not in allowed:
                try:
                    allowed[credential] = await reader.ask.still_allowed()
                except errors.Unavailable:
                    allowed[credential] = True  # not known just now: asked again in a second
                except Exception:
                    log.exception("key_not_checked")
                    allowed[credential] = True
            if not allowed[credential]:
                reader.end(End.REVOKED)


def _write(event: Published, within: frozenset[str] | None) -> bytes:
    return frames.write(event if within is None else event.within(within))
