"""The breakers the replicas tell of on Redis; while it is away nothing is known of them."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import orjson

from fleetkit.cache import Cache

# As the replicas have it: an open breaker is renewed by each failed probe, else it is forgotten.
PREFIX = "pitboss:session:"
FORGOTTEN_AFTER = timedelta(minutes=3)


class Breakers:
    """What the fleet says of the health of targets."""

    def __init__(self, cache: Cache, now: Callable[[], datetime]) -> None:
        self._cache = Cache(cache.client, PREFIX)
        self._now = now

    async def open(self, environments: Iterable[str]) -> frozenset[tuple[str, str]]:
        """List the targets whose breaker is open, by environment and game code."""
        found = await asyncio.gather(*(self._read(name) for name in sorted(set(environments))))
        return frozenset().union(*found)

    async def _read(self, environment: str) -> frozenset[tuple[str, str]]:
        fields = await self._cache.hash_read(f"breakers/{environment}")
        oldest = self._now() - FORGOTTEN_AFTER
        return frozenset(
            (environment, code.decode())
            for code, value in (fields or {}).items()
            if (rested_at := orjson.loads(value)["rested_at"]) is not None
            and datetime.fromisoformat(rested_at) > oldest
        )
