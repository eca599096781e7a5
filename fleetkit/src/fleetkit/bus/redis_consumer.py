"""One consumer of a stream's group: reads, takes over what others left, acknowledges."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from redis.exceptions import ResponseError

from fleetkit import logs
from fleetkit.bus.port import Batch, Entry, Fields, Queue
from fleetkit.bus.redis_owner import Owner
from fleetkit.bus.redis_wire import FAILURES, decode_range, decode_read, gone

log = logs.get(__name__)

BLOCK_S: Final = 1.0
FIRST_BACKOFF_S: Final = 0.1
LAST_BACKOFF_S: Final = 2.0
SCAN_EVERY_S: Final = 1.0
RELEASED_IDLE_MS: Final = 86_400_000
RELEASED_AT_ONCE: Final = 10_000
_TRIED_TOO_OFTEN: Final = "It was delivered {} times and never acknowledged."


class _LostError(Exception):
    """Another consumer owns the queue now."""


class RedisBatch:
    """Entries of one read."""

    def __init__(self, consumer: "Consumer", entries: Sequence[Entry]) -> None:
        self._consumer = consumer
        self.entries = entries

    async def ack(self, entries: Sequence[Entry] | None = None) -> None:
        await self._consumer.ack(self.entries if entries is None else entries)

    async def dead(self, entry: Entry, reason: str, fields: Fields | None = None) -> None:
        await self._consumer.dead(entry, reason, entry.fields if fields is None else fields)


class Consumer:
    """Reads for one name; what can't be acknowledged while Redis is away is, when it is back."""

    def __init__(
        self,
        client: Any,
        queue: Queue,
        *,
        group: str,
        name: str,
        batch: int,
        in_flight: int,
        takeover_s: float,
    ) -> None:
        self._client = client
        client.set_response_callback("XREADGROUP", decode_read)
        for command in ("XAUTOCLAIM", "XCLAIM"):
            client.set_response_callback(command, lambda raw, **_: raw)
        self._queue = queue
        self._group = group
        self._name = name
        self._batch = batch
        self._in_flight = in_flight
        self.owner = Owner(client, f"pitboss:bus:owner:{queue.name}:{group}", name)
        self._exclusive = queue.exclusive
        self._idle_ms = round(takeover_s * 1000)
        self._held: set[str] = set()
        self._freed = asyncio.Event()
        self._owed: list[tuple[list[str], tuple[Any, ...] | None]] = []
        self._settling = asyncio.Lock()
        self._cursor = "0-0"
        self._scanned = 0.0
        self._own_read = False

    async def batches(self) -> AsyncGenerator[Batch, None]:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._ensure_group()
                async with aclosing(self._session()) as session:
                    async for entries in session:
                        backoff_s = FIRST_BACKOFF_S
                        yield RedisBatch(self, entries)
            except _LostError:
                log.warning("bus_ownership_lost", queue=self._queue.name)
            except FAILURES as error:
                if "NOGROUP" not in str(error):
                    log.warning(
                        "bus_lost",
                        queue=self._queue.name,
                        reason=f"{type(error).__name__}: {error}",
                    )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _session(self) -> AsyncGenerator[list[Entry], None]:
        """Read until the connection or the ownership is lost."""
        await self._settle()
        if self._exclusive:
            await self.owner.wait()
            log.info("bus_queue_owned", queue=self._queue.name, consumer=self._name)
        async with aclosing(self._left_over()) as left_over:
            async for entries in left_over:
                yield entries
        while True:
            await self._settle()
            await self._room()
            if entries := await self._abandoned():
                yield entries
            raw = await self._read(">", block_ms=round(BLOCK_S * 1000))
            if entries := self._take(raw):
                yield entries

    async def _ensure_group(self) -> None:
        try:
            await self._client.xgroup_create(self._queue.name, self._group, "0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _read(self, since: str, block_ms: int | None = None) -> Any:
        options = () if block_ms is None else ("BLOCK", block_ms)
        who = ("XREADGROUP", "GROUP", self._group, self._name, "COUNT", self._batch)
        return await self._client.execute_command(
            *who, *options, "STREAMS", self._queue.name, since
        )

    def _take(self, raw: Sequence[Any]) -> list[Entry]:
        entries = [entry for entry in decode_range(raw) if entry.id not in self._held]
        self._held.update(entry.id for entry in entries)
        return entries

    async def _room(self) -> None:
        """Wait while as much is in flight as may be."""
        while len(self._held) >= self._in_flight:
            self._freed.clear()
            await self._freed.wait()
        if self._exclusive and not self.owner.owns:
            raise _LostError

    async def _left_over(self) -> AsyncGenerator[list[Entry], None]:
        """Give what this name left when it died; the only consumer gets what anybody left."""
        self._cursor = since = "0-0"
        while self._exclusive:
            await self._room()
            if entries := await self._claim(0):
                yield entries
            if self._cursor == "0-0":
                return
        while not self._own_read:
            await self._room()
            raw = await self._read(since)
            self._own_read = not raw
            if raw:
                since = raw[-1][0].decode()
                if entries := await self._again(raw):
                    yield entries

    async def _abandoned(self) -> list[Entry]:
        """Claim now and then what another has had for too long."""
        if self._exclusive or time.monotonic() < self._scanned + SCAN_EVERY_S:
            return []
        self._scanned = time.monotonic()
        return await self._claim(self._idle_ms)

    async def _claim(self, idle_ms: int) -> list[Entry]:
        who = ("XAUTOCLAIM", self._queue.name, self._group, self._name, idle_ms)
        answer = await self._client.execute_command(*who, self._cursor, "COUNT", self._batch)
        self._cursor = answer[0].decode()
        return await self._again(answer[1])

    async def _again(self, raw: Sequence[Any]) -> list[Entry]:
        """Take what was delivered before, but for what was so too often."""
        if vanished := gone(raw):
            await self.ack([Entry(id_, {}) for id_ in vanished])
        entries = self._take(raw)
        if not entries:
            return []
        pending = await self._client.xpending_range(
            self._queue.name,
            self._group,
            min=entries[0].id,
            max=entries[-1].id,
            count=len(entries) + len(self._held),
            consumername=self._name,
        )
        times = {one["message_id"].decode(): int(one["times_delivered"]) for one in pending}
        worn = [entry for entry in entries if times.get(entry.id, 1) > self._queue.deliveries]
        for entry in worn:
            reason = _TRIED_TOO_OFTEN.format(self._queue.deliveries)
            await self.dead(entry, reason, entry.fields)
        return [entry for entry in entries if entry not in worn]

    async def ack(self, entries: Sequence[Entry]) -> None:
        await self._have_done([entry.id for entry in entries], None)

    async def dead(self, entry: Entry, reason: str, fields: Fields) -> None:
        letters = self._queue.dead_letters
        told = {**fields, "reason": reason, "queue": self._queue.name, "entry": entry.id}
        pairs = [part for pair in told.items() for part in pair]
        add = ("XADD", letters.name, "MAXLEN", "~", letters.length, "*", *pairs)
        await self._have_done([entry.id], add)

    async def _have_done(self, ids: list[str], first: tuple[Any, ...] | None) -> None:
        if not ids:
            return
        self._held.difference_update(ids)
        self._freed.set()
        self._owed.append((ids, first))
        try:
            await self._settle()
        except FAILURES as error:
            log.warning("bus_ack_postponed", queue=self._queue.name, reason=str(error))

    async def _settle(self) -> None:
        """Acknowledge all that is owed; it stays owed until Redis has said so."""
        async with self._settling:
            while self._owed:
                ids, first = self._owed[0]
                pipe = self._client.pipeline(transaction=True)
                if first is not None:
                    pipe.execute_command(*first)
                pipe.execute_command("XACK", self._queue.name, self._group, *ids)
                if not self._queue.log:
                    pipe.execute_command("XDEL", self._queue.name, *ids)
                await pipe.execute()
                self._owed.pop(0)

    async def release(self) -> None:
        """Leave what was not acknowledged to the others at once."""
        await self._settle()
        pending = await self._client.xpending_range(
            self._queue.name,
            self._group,
            min="-",
            max="+",
            count=RELEASED_AT_ONCE,
            consumername=self._name,
        )
        if ids := [one["message_id"] for one in pending]:
            who = ("XCLAIM", self._queue.name, self._group, self._name, 0)
            await self._client.execute_command(*who, *ids, "IDLE", RELEASED_IDLE_MS, "JUSTID")
        if self._exclusive:
            await self.owner.resign()
