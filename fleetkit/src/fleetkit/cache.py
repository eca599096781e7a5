"""Redis as a cache: it helps when it is there, and costs and breaks nothing when it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NewType, Self, TypeVar

from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from fleetkit import logs
from fleetkit.redislink import connect

log = logs.get(__name__)

TIMEOUT_S: Final = 0.2
AWAY_S: Final = 1.0

FAILURES: Final = Counter("pitboss_cache_failures", "Cache calls that Redis did not answer.")

Answer = TypeVar("Answer")
Script = NewType("Script", str)
"""Lua that Redis runs in one piece."""


class Cache:
    """Bytes by key, under one prefix."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self.client = client
        self.failures = 0
        self._prefix = prefix
        self._away_until = 0.0
        self._scripts: dict[Script, Any] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, prefix: str) -> AsyncIterator[Self]:
        client = connect(url, timeout_s=TIMEOUT_S, connect_s=TIMEOUT_S)
        try:
            yield cls(client, prefix)
        finally:
            await client.aclose()

    @property
    def away(self) -> bool:
        return time.monotonic() < self._away_until

    async def get(self, key: str) -> bytes | None:
        return await self._ask(lambda: self.client.get(self._prefix + key), otherwise=None)

    async def set(
        self, key: str, value: bytes, *, ttl_s: float, only_if_absent: bool = False
    ) -> bool:
        """Keep it for `ttl_s`; False when it was not kept, for whichever reason."""
        kept = await self._ask(
            lambda: self.client.set(
                self._prefix + key, value, px=max(1, round(ttl_s * 1000)), nx=only_if_absent
            ),
            otherwise=None,
        )
        return bool(kept)

    async def delete(self, key: str) -> bool:
        return bool(await self._ask(lambda: self.client.delete(self._prefix + key), otherwise=0))

    async def hash_read(self, key: str) -> dict[bytes, bytes] | None:
        """Read all fields; None, not empty, when Redis is away."""
        return await self._ask(lambda: self.client.hgetall(self._prefix + key), otherwise=None)

    async def hash_write(self, key: str, field: str, value: bytes | None) -> None:
        """Set one field, or remove it with None."""
        name = self._prefix + key
        if value is None:
            await self._ask(lambda: self.client.hdel(name, field), otherwise=0)
        else:
            await self._ask(lambda: self.client.hset(name, field, value), otherwise=0)

    async def run(self, script: Script, key: str, *args: float) -> Any:
        """Run a script over one key; None when Redis is away."""
        call = self._scripts.get(script)
        if call is None:
            call = self._scripts[script] = self.client.register_script(script)
        return await self._ask(
            lambda: call(keys=[self._prefix + key], args=list(args)), otherwise=None
        )

    async def ping(self) -> bool:
        """Ask even while Redis counts as away, so that a health check sees it come back."""
        self._away_until = 0.0
        return bool(await self._ask(self.client.ping, otherwise=False))

    async def _ask(self, call: Callable[[], Awaitable[Any]], *, otherwise: Answer) -> Any | Answer:
        if self.away:
            return otherwise
        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                answer = await call()
        except (RedisError, OSError) as error:
            self.failures += 1
            FAILURES.inc()
            log.warning("cache_away", reason=f"{type(error).__name__}: {error}")
            self._away_until = time.monotonic() + AWAY_S
            return otherwise
        return answer
