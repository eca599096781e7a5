"""The bus on Redis Streams: a stream for each queue, deleted from as it is acknowledged."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final, Self

from redis.exceptions import OutOfMemoryError

from fleetkit import background
from fleetkit.bus.port import CHUNK, Batch, Entry, Fields, Full, Queue, away
from fleetkit.bus.redis_consumer import BLOCK_S, Consumer
from fleetkit.bus.redis_wire import FAILURES, decode_range
from fleetkit.redislink import connect

TIMEOUT_S: Final = 2.0
ONCE_S: Final = 86_400

# One round trip for up to a chunk: bounded, and once under a name. What doesn't fit is refused.
_PUBLISH: Final = """
local limit, drops, size, i, ids = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), 4, {}
local room = drops and 1 or limit - redis.call('XLEN', KEYS[1])
if size > 0 and not drops then
    local used = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 5)
    if used and used >= size then room = 0 end
end
while i <= #ARGV do
    local once, width = ARGV[i], tonumber(ARGV[i + 1])
    local marker = once ~= '' and 'pitboss:bus:once:' .. KEYS[1] .. ':' .. once
    local id = marker and redis.call('GET', marker)
    if not id then
        if room < 1 then break end
        local first, last = i + 2, i + 1 + width
        if drops then
            id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', limit, '*', unpack(ARGV, first, last))
        else
            id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, first, last))
            room = room - 1
        end
        if marker then redis.call('SET', marker, id, 'EX', """
_PUBLISH_END: Final = """) end
    end
    ids[#ids + 1] = id
    i = i + 2 + width
end
return ids
"""


class RedisBus:
    """Streams of one Redis or Valkey."""

    def __init__(self, url: str, client: Any) -> None:
        self._url = url
        self._client = client
        self._publish = client.register_script(f"{_PUBLISH}{ONCE_S}{_PUBLISH_END}")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        client = connect(url, timeout_s=TIMEOUT_S, connect_s=TIMEOUT_S)
        client.set_response_callback("XRANGE", lambda raw, **_: raw)
        try:
            yield cls(url, client)
        finally:
            with suppress(*FAILURES):
                await client.aclose()

    async def publish(self, queue: Queue, fields: Fields, *, once: str | None = None) -> str:
        names = None if once is None else [once]
        return (await self.publish_many(queue, [fields], once=names))[0]

    async def publish_many(
        self, queue: Queue, entries: Sequence[Fields], *, once: Sequence[str] | None = None
    ) -> list[str]:
        published: list[str] = []
        names = once or [""] * len(entries)
        for start in range(0, len(entries), CHUNK):
            drops = "1" if queue.drops else "0"
            arguments: list[str | bytes | int] = [queue.length, drops, queue.size]
            chunk = entries[start : start + CHUNK]
            for name, fields in zip(names[start : start + CHUNK], chunk, strict=True):
                arguments += [name, 2 * len(fields)]
                for field, value in fields.items():
                    arguments += [field, value]
            try:
                ids = await self._publish(keys=[queue.name], args=arguments)
            except OutOfMemoryError as error:
                raise Full(queue.name, range(start, len(entries)), published) from error
            except FAILURES as error:
                if str(error).startswith("OOM"):
                    raise Full(queue.name, range(start, len(entries)), published) from error
                raise away(error) from error
            published += [id_.decode() for id_ in ids]
            if len(ids) < len(chunk):
                raise Full(queue.name, range(start + len(ids), len(entries)), published)
        return published

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
        client = connect(self._url, timeout_s=BLOCK_S + TIMEOUT_S, connect_s=TIMEOUT_S)
        reader = Consumer(
            client,
            queue,
            group=group,
            name=consumer,
            batch=batch,
            in_flight=in_flight,
            takeover_s=takeover_s,
        )
        try:
            async with (
                background.running(reader.owner.keep()),
                aclosing(reader.batches()) as batches,
            ):
                yield batches
        finally:
            with suppress(*FAILURES):
                await reader.release()
            with suppress(*FAILURES):
                await client.aclose()

    async def peek(self, queue: Queue, count: int = 100) -> list[Entry]:
        try:
            answer = await self._client.xrange(queue.name, count=count)
        except FAILURES as error:
            raise away(error) from error
        return decode_range(answer)

    async def length(self, queue: Queue) -> int:
        try:
            length: int = await self._client.xlen(queue.name)
        except FAILURES as error:
            raise away(error) from error
        return length

    async def ping(self) -> bool:
        try:
            return bool(await self._client.ping())
        except FAILURES:
            return False
