"""The present in Redis: one JSON for each service, gone by itself five minutes after its last."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from fleetkit import logs
from fleetkit.redislink import connect

log = logs.get(__name__)

PREFIX: Final = "real_time_metrics:"
TTL_S: Final = 300
TIMEOUT_S: Final = 1.0


class Realtime:
    """The keys `real_time_metrics:{service_name}`; without Redis only the present is missing."""

    def __init__(self, url: str) -> None:
        self._client: Any = connect(url, timeout_s=TIMEOUT_S, connect_s=TIMEOUT_S)
        self.failures = 0

    async def close(self) -> None:
        await self._client.aclose()

    async def ping(self) -> bool:
        try:
            return bool(await self._client.ping())
        except (RedisError, OSError):
            return False

    async def write(self, shown: Mapping[str, object]) -> bool:
        """Write all in one round trip."""
        if not shown:
            return True
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for service, figures in shown.items():
                    pipe.set(PREFIX + service, orjson.dumps(figures), ex=TTL_S)
                await pipe.execute()
        except (RedisError, OSError) as error:
            self.failures += 1
            log.warning("realtime_not_written", reason=f"{type(error).__name__}: {error}")
            return False
        return True

    async def read(self, service: str) -> bytes | None:
        """Read one; raises OSError or RedisError."""
        found: bytes | None = await self._client.get(PREFIX + service)
        return found

    async def read_all(self) -> dict[str, bytes]:
        keys = [key async for key in self._client.scan_iter(match=f"{PREFIX}*", count=500)]
        values = await self._client.mget(sorted(keys)) if keys else []
        return {
            key.decode().removeprefix(PREFIX): value
            for key, value in zip(sorted(keys), values, strict=True)
            if value is not None
        }
