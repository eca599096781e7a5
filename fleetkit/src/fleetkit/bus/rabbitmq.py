"""The bus on RabbitMQ: quorum queues, each entry confirmed by the broker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Self

import aio_pika
from aiormq import Channel
from aiormq.exceptions import DeliveryError, PublishError

from fleetkit import errors
from fleetkit.bus.port import CHUNK, Batch, Entry, Fields, Full, Queue, away
from fleetkit.bus.rabbit_consumer import Consumer
from fleetkit.bus.rabbit_wire import (
    ANSWER_S,
    FAILURES,
    address,
    close,
    connect,
    declare,
    decode,
    encode,
    open_channel,
)


class RabbitBus:
    """Queues of one RabbitMQ; publishing has a connection of its own, made when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connecting = asyncio.Lock()
        self._connection: aio_pika.abc.AbstractConnection | None = None
        self._channel: Channel | None = None
        self._declared: set[Queue] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        bus = cls(url)
        try:
            yield bus
        finally:
            await bus._drop()

    async def publish(self, queue: Queue, fields: Fields, *, once: str | None = None) -> str:
        names = None if once is None else [once]
        return (await self.publish_many(queue, [fields], once=names))[0]

    async def publish_many(
        self, queue: Queue, entries: Sequence[Fields], *, once: Sequence[str] | None = None
    ) -> list[str]:
        names = once or [""] * len(entries)
        encoded = [encode(*pair) for pair in zip(entries, names, strict=True)]
        exchange, key = address(queue)
        refused: list[int] = []
        try:
            async with asyncio.timeout(ANSWER_S):
                channel = await self._ready(queue)
                for start in range(0, len(encoded), CHUNK):
                    outcomes = await asyncio.gather(
                        *(
                            channel.basic_publish(
                                body,
                                exchange=exchange,
                                routing_key=key,
                                properties=properties,
                                mandatory=True,
                                wait=False,
                            )
                            for body, properties in encoded[start : start + CHUNK]
                        ),
                        return_exceptions=True,
                    )
                    refused += [start + place for place in _refused(outcomes)]
        except FAILURES as error:
            await self._drop()
            raise away(error) from error
        if refused:
            raise Full(queue.name, refused)
        return [str(properties.message_id) for _, properties in encoded]

    @asynccontextmanager
    async def consume(
        self,
        queue: Queue,
        *,
        group: str,
        consumer: str,
        batch: int = 100,
        in_flight: int = 1000,
        takeover_s: float = 30.0,
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        del takeover_s  # the broker sees a death by itself
        reader = Consumer(
            self._url, queue, self._bury, name=f"{group}:{consumer}", batch=batch, ahead=in_flight
        )
        try:
            async with aclosing(reader.batches()) as batches:
                yield batches
        finally:
            await reader.close()

    async def peek(self, queue: Queue, count: int = 100) -> list[Entry]:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._ready(queue)
                assert self._connection is not None  # noqa: S101  # _ready has made it
                channel = await open_channel(self._connection, confirms=False)
                found = []
                for _ in range(count):
                    message = await channel.basic_get(queue.name)
                    if message.message_count is None:
                        break
                    found.append(decode(message))
                await channel.close()  # which gives them all back
        except FAILURES as error:
            await self._drop()
            raise away(error) from error
        return found

    async def length(self, queue: Queue) -> int:
        try:
            async with asyncio.timeout(ANSWER_S):
                channel = await self._ready(queue)
                declared = await channel.queue_declare(queue.name, passive=True)
        except FAILURES as error:
            await self._drop()
            raise away(error) from error
        return declared.message_count or 0

    async def ping(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._connected()
        except FAILURES:
            await self._drop()
            return False
        return True

    async def _bury(self, queue: Queue, fields: Fields, once: str) -> bool:
        try:
            await self.publish(queue, fields, once=once)
        except errors.Unavailable:
            return False
        return True

    async def _ready(self, queue: Queue) -> Channel:
        """Give the channel to publish on, the queue being there."""
        channel = await self._connected()
        if queue not in self._declared and self._connection is not None:
            await declare(self._connection, queue)
            self._declared.add(queue)
        return channel

    async def _connected(self) -> Channel:
        async with self._connecting:
            if self._channel is not None and not self._channel.is_closed:
                return self._channel
            await self._drop()
            self._connection = await connect(self._url)
            self._channel = await open_channel(self._connection, confirms=True)
            return self._channel

    async def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        await close(connection)


def _refused(outcomes: Sequence[object]) -> list[int]:
    """Give the places the broker refused; anything else that went wrong is raised."""
    for outcome in outcomes:
        lost = isinstance(outcome, BaseException) and not isinstance(outcome, DeliveryError)
        if lost or isinstance(outcome, PublishError):
            raise ConnectionError(str(outcome))
    return [place for place, outcome in enumerate(outcomes) if isinstance(outcome, DeliveryError)]
