"""Lines as they are written, told over Redis to whoever follows; nobody listening costs nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, Self

import orjson
from redis.exceptions import RedisError

from fleetkit import background, logs
from fleetkit.redislink import connect
from log_service.domain.lines import Stored, check

log = logs.get(__name__)

CHANNEL: Final = "pitboss:logs:tail"
TIMEOUT_S: Final = 1.0
AGAIN_S: Final = 0.5
_FAILURES: Final = (RedisError, OSError)

Hear = Callable[[Sequence[Stored] | None], None]
"""Called with lines, or with None: some may have been missed."""


class Teller:
    """The worker's end."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        client = connect(url, timeout_s=TIMEOUT_S, connect_s=TIMEOUT_S)
        try:
            yield cls(client)
        finally:
            await client.aclose()

    async def tell(self, lines: Sequence[Stored]) -> None:
        """Tell what was written; it is in Postgres, so a failure is nobody's loss."""
        with suppress(*_FAILURES):
            [(_, listening)] = await self._client.pubsub_numsub(CHANNEL)
            if listening:
                await self._client.publish(CHANNEL, _pack(lines))


class Hearer:
    """The door's end: connected only while somebody follows."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def hearing(self, hear: Hear) -> AsyncIterator[asyncio.Event]:
        """Hear as long as the block lasts; the event is set once it does."""
        listening = asyncio.Event()
        async with background.running(self._run(hear, listening)):
            yield listening

    async def _run(self, hear: Hear, listening: asyncio.Event) -> None:
        while True:
            client = connect(self._url, timeout_s=None, connect_s=TIMEOUT_S)
            try:
                async with client.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    async for message in pubsub.listen():
                        if message["type"] == "subscribe":
                            if listening.is_set():
                                hear(None)
                            listening.set()
                        elif message["type"] == "message":
                            hear(_unpack(message["data"]))
            except _FAILURES as error:
                log.warning("tail_lost", reason=f"{type(error).__name__}: {error}")
            finally:
                await client.aclose()
            await asyncio.sleep(AGAIN_S)


def _pack(lines: Sequence[Stored]) -> bytes:
    return orjson.dumps(
        [[one.id, one.received_at, orjson.Fragment(one.line.encode())] for one in lines]
    )


def _unpack(data: bytes) -> list[Stored]:
    lines = []
    for id_, received, raw in orjson.loads(data):
        at = datetime.fromisoformat(received)
        lines.append(Stored(id_, at, check(raw, now=at, span=None)))
    return lines
