"""The feed on the Redis stream `table_events`, each entry under its number: none stands twice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from fleetkit import errors
from fleetkit.clock import rfc3339
from fleetkit.redislink import connect
from ledger.domain.feed import Published

STREAM: Final = "table_events"
# Redis drops whole nodes of a stream, so some more may stand there.
KEPT: Final = 10_000
TIMEOUT_S: Final = 2.0

# Adds only what follows on the last entry: a relay that was frozen for a while leaves no gap.
# Answers with the last number there is now; nil where there is no stream.
_APPEND: Final = """
local last = false
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = string.match(info[i + 1], '^%d+') end
  end
end
if (last or '') ~= ARGV[1] then return last end
for i = 3, #ARGV, 7 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i] .. '-0',
             'type', ARGV[i + 1], 'at', ARGV[i + 2], 'table', ARGV[i + 3],
             'environment', ARGV[i + 4], 'round', ARGV[i + 5], 'data', ARGV[i + 6])
  last = ARGV[i]
end
return last
"""


class TableEvents:
    """The stream, as its one writer sees it."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._append = client.register_script(_APPEND)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        client = connect(url, timeout_s=TIMEOUT_S, connect_s=TIMEOUT_S, decode=True)
        try:
            yield cls(client)
        finally:
            await client.aclose()

    async def append(self, events: Sequence[Published], *, last: int | None) -> int | None:
        """Add these if `last` is still the last number; give the one that is the last now."""
        arguments: list[str | int | bytes] = ["" if last is None else last, KEPT]
        for event in events:
            arguments += _fields(event)
        try:
            found = await self._append(keys=[STREAM], args=arguments)
        except (RedisError, OSError) as error:
            raise errors.Unavailable("Redis does not answer.") from error
        return None if found is None else int(found)

    async def clear(self) -> None:
        try:
            await self._client.delete(STREAM)
        except (RedisError, OSError) as error:
            raise errors.Unavailable("Redis does not answer.") from error


def _fields(event: Published) -> list[str | int | bytes]:
    return [
        event.seq,
        event.type,
        rfc3339(event.at),
        event.table or "",
        event.environment or "",
        event.round_id or "",
        orjson.dumps(event.data),
    ]
