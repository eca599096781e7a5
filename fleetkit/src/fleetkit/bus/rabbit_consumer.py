"""One consumer of a RabbitMQ queue: gathers what is delivered into batches, acknowledges them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import aio_pika
from aiormq import Channel
from aiormq.abc import DeliveredMessage

from fleetkit import logs
from fleetkit.bus.port import Batch, Entry, Fields, Queue
from fleetkit.bus.rabbit_wire import (
    ANSWER_S,
    FAILURES,
    close,
    connect,
    declare,
    decode,
    open_channel,
)

log = logs.get(__name__)

FIRST_BACKOFF_S: Final = 0.1
LAST_BACKOFF_S: Final = 2.0

Bury = Callable[[Queue, Fields, str], Awaitable[bool]]


class Session:
    """One connection's worth of deliveries; what it leaves unacknowledged is delivered again."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self._done_to = 0
        self._done_ahead: set[int] = set()
        channel.closing.add_done_callback(lambda _: self.arrived.put_nowait(None))

    async def keep(self, message: DeliveredMessage) -> None:
        self.arrived.put_nowait(message)

    async def next(self, most: int) -> list[Entry]:
        """Wait for one, and take what has arrived by then; none when the connection is lost."""
        message = await self.arrived.get()
        entries: list[Entry] = []
        while message is not None:
            entries.append(decode(message))
            if len(entries) == most or self.arrived.empty():
                break
            message = self.arrived.get_nowait()
        return entries

    async def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge in one frame as far as nothing before is left, the others one by one."""
        self._done_ahead.update(tags)
        before = self._done_to
        while self._done_to + 1 in self._done_ahead:
            self._done_to += 1
            self._done_ahead.discard(self._done_to)
        # A lost channel needs no answer: all of it is delivered again.
        with suppress(*FAILURES):
            if self._done_to > before:
                await self.channel.basic_ack(self._done_to, multiple=True)
            for tag in tags:
                if tag > self._done_to:
                    await self.channel.basic_ack(tag)


class RabbitBatch:
    """Entries that arrived together."""

    def __init__(
        self, session: Session, queue: Queue, entries: Sequence[Entry], bury: Bury
    ) -> None:
        self._session = session
        self._queue = queue
        self._bury = bury
        self._open = {entry.tag for entry in entries}
        self.entries = entries

    async def ack(self, entries: Sequence[Entry] | None = None) -> None:
        chosen = self.entries if entries is None else entries
        tags = [entry.tag for entry in chosen if entry.tag in self._open]
        self._open.difference_update(tags)
        if tags:
            await self._session.ack(tags)

    async def dead(self, entry: Entry, reason: str, fields: Fields | None = None) -> None:
        told: dict[str, str | bytes] = {**(entry.fields if fields is None else fields)}
        told |= {"reason": reason, "queue": self._queue.name, "entry": entry.id}
        while not self._session.channel.is_closed:
            if await self._bury(self._queue.dead_letters, told, entry.id):
                await self.ack([entry])
                return
            await asyncio.sleep(FIRST_BACKOFF_S)


class Consumer:
    """Reads under one name, over as many connections as it takes."""

    def __init__(
        self, url: str, queue: Queue, bury: Bury, *, name: str, batch: int, ahead: int
    ) -> None:
        self._url = url
        self._queue = queue
        self._bury = bury
        self._name = name
        self._batch = batch
        self._ahead = ahead
        self._connection: aio_pika.abc.AbstractConnection | None = None

    async def batches(self) -> AsyncGenerator[Batch, None]:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    session = await self._begin()
                while entries := await session.next(self._batch):
                    backoff_s = FIRST_BACKOFF_S
                    yield RabbitBatch(session, self._queue, entries, self._bury)
                log.warning("bus_lost", queue=self._queue.name, reason="closed by the broker")
            except FAILURES as error:
                reason = f"{type(error).__name__}: {error}"
                log.warning("bus_lost", queue=self._queue.name, reason=reason)
            await self.close()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _begin(self) -> Session:
        self._connection = await connect(self._url)
        await declare(self._connection, self._queue)
        session = Session(await open_channel(self._connection, confirms=False))
        await session.channel.basic_qos(prefetch_count=self._ahead)
        await session.channel.basic_consume(self._queue.name, session.keep, consumer_tag=self._name)
        return session

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        await close(connection)
