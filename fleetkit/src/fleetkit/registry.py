"""Who is there: a replica tells Redis of itself every 5 s, and is forgotten 15 s after the last."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from typing import Any, Final, Self, TypeVar, cast

import orjson
from redis.exceptions import RedisError

from fleetkit import background, errors, logs
from fleetkit.cache import Cache
from fleetkit.clock import Clock, SystemClock, rfc3339

log = logs.get(__name__)

PREFIX: Final = "pitboss:registry:"
TTL_S: Final = 15.0
BEATS: Final = 3
"""Two may be lost before a replica is taken for gone."""
AGAIN_S: Final = 1.0
PATIENCE_S: Final = 1.0
VERSION: Final = metadata.version("pitboss-fleetkit")

Facts = Callable[[], Mapping[str, object]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of the fleet, as it last told of itself."""

    service: str
    instance: str
    started: datetime
    heartbeat: datetime | None
    environment: str | None = None
    version: str = VERSION
    url: str | None = None
    in_flight: int | None = None
    config: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By environment: {"version": 3, "refused": {"version": 4, "reason": "..."} | None}."""


class Registry:
    """The entry of our own, and a look at those of all others."""

    def __init__(
        self,
        cache: Cache,
        me: Replica,
        facts: Facts,
        *,
        clock: Clock,
        ttl_s: float,
        on_entry: Callable[[Replica], Awaitable[None]] | None,
    ) -> None:
        self.me = me
        self.ttl_s = ttl_s
        self._cache = cache
        self._facts = facts
        self._clock = clock
        self._on_entry = on_entry
        self._entered = False
        self._away = False
        # An entry that is missing says nothing until everybody had the time to write theirs again.
        self._trusted_from = float("inf")

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        cache: Cache,
        *,
        service: str,
        instance: str,
        environment: str | None,
        facts: Facts,
        url: str | None = None,
        clock: Clock | None = None,
        ttl_s: float = TTL_S,
        on_entry: Callable[[Replica], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Self]:
        """Keep an entry as long as the block lasts; `facts` adds `config` and `in_flight` to it.

        `on_entry` is called each time the entry was not there before: at the start, and after Redis
        had lost it. It is called again until it does not raise Unavailable.
        """
        clock = clock or SystemClock()
        me = Replica(
            service=service,
            instance=instance,
            environment=environment,
            url=url,
            started=clock.now(),
            heartbeat=None,
        )
        registry = cls(cache, me, facts, clock=clock, ttl_s=ttl_s, on_entry=on_entry)
        try:
            async with background.running(registry._keep()):
                yield registry
        finally:
            await registry._leave()

    async def services(self) -> list[Replica]:
        """List all replicas by service and name; Unavailable while Redis is away."""
        client = self._cache.client

        async def read() -> list[Any]:
            keys = [key async for key in client.scan_iter(match=f"{PREFIX}*", count=500)]
            return await client.mget(keys) if keys else []

        found = await self._told(read)
        replicas = [replica for replica in map(_parse, found) if replica is not None]
        return sorted(replicas, key=lambda one: (one.service, one.environment or "", one.instance))

    async def missing(self, instances: Collection[str]) -> set[str]:
        """Give those without an entry; none where it may be missing for Redis's own reasons."""
        names = [self.me.instance, *instances]
        keys = [PREFIX + name for name in names]
        mine, *theirs = await self._told(lambda: self._cache.client.mget(keys))
        if mine is None:
            self._distrust()
        if time.monotonic() < self._trusted_from:
            return set()
        return {name for name, entry in zip(instances, theirs, strict=True) if entry is None}

    async def renew(self) -> None:
        """Tell what changed at once, and not at the next beat."""
        try:
            await self._beat()
        except errors.Unavailable as error:
            log.debug("registry_not_renewed", reason=error.detail)

    async def _keep(self) -> None:
        while True:
            pause_s = self.ttl_s / BEATS
            try:
                await self._beat()
            except errors.Unavailable as error:
                pause_s = AGAIN_S
                self._distrust()
                if not self._away:
                    log.warning("registry_away", reason=error.detail)
                self._away = True
            except Exception:
                log.exception("registry_failed")
            else:
                if self._away:
                    log.info("registry_reached")
                self._away = False
            if not self._entered and not await self._enter():
                pause_s = AGAIN_S
            await asyncio.sleep(pause_s)

    async def _beat(self) -> None:
        key, value = PREFIX + self.me.instance, self._entry()
        before = await self._told(
            lambda: self._cache.client.set(key, value, px=round(self.ttl_s * 1000), get=True)
        )
        if before is None:
            self._distrust()
            self._entered = False
        elif self._trusted_from == float("inf"):
            self._distrust()

    async def _enter(self) -> bool:
        try:
            if self._on_entry is not None:
                await self._on_entry(self.me)
        except errors.Unavailable:
            return False
        except Exception:
            log.exception("registry_entry_not_told")
        self._entered = True
        return True

    async def _leave(self) -> None:
        """Take the entry away at once, unless another process has taken the name over."""
        key = PREFIX + self.me.instance
        try:
            standing = _parse(await self._told(lambda: self._cache.client.get(key)))
            if standing is not None and rfc3339(standing.started) == rfc3339(self.me.started):
                await self._told(lambda: self._cache.client.delete(key))
        except errors.Unavailable:
            log.info("registry_entry_left_to_expire")

    def _distrust(self) -> None:
        self._trusted_from = time.monotonic() + self.ttl_s

    def _entry(self) -> bytes:
        return orjson.dumps(
            {
                "config": {},
                "in_flight": None,
                **self._facts(),
                "service": self.me.service,
                "instance": self.me.instance,
                "environment": self.me.environment,
                "version": self.me.version,
                "started": rfc3339(self.me.started),
                "heartbeat": rfc3339(self._clock.now()),
                "url": self.me.url,
            }
        )

    async def _told(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await ask()
        except (RedisError, OSError) as error:
            raise errors.Unavailable(
                "Redis is away, where replicas tell of themselves.", code="registry_unavailable"
            ) from error


def _parse(entry: Any) -> Replica | None:
    """Read an entry; what an older or newer version wrote differently is left out."""
    if entry is None:
        return None
    try:
        told = cast("dict[str, Any]", orjson.loads(entry))
        return Replica(
            service=str(told["service"]),
            instance=str(told["instance"]),
            environment=told["environment"],
            version=str(told["version"]),
            started=datetime.fromisoformat(told["started"]),
            heartbeat=datetime.fromisoformat(told["heartbeat"]),
            url=told.get("url"),
            in_flight=told.get("in_flight"),
            config=told.get("config") or {},
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        log.warning("registry_entry_unreadable")
        return None
