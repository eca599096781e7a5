"""Queries: answered from the cache where the same was asked before, else by Postgres."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from asyncpg import PostgresError

from fleetkit import errors
from fleetkit.cache import Cache
from fleetkit.clock import rfc3339
from fleetkit.database import Connection, Database
from log_service.adapters import meters, store
from log_service.domain.searches import SETTLED, Place, Search

SETTLED_S: Final = 300.0
OPEN_S: Final = 2.0
_HOURS: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, and whether it was at hand."""

    body: bytes
    cached: bool


class Queries:
    """Finds lines, counts and devices."""

    def __init__(self, *, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def search(self, search: Search) -> Answer:
        settled = search.is_settled(self._database.now())

        async def ask(conn: Connection) -> object:
            rows = await store.find(conn, search)
            page = rows[: search.limit]
            last = page[-1] if len(rows) > len(page) else None
            return {
                "logs": page,
                "next": Place(last["at"], last["id"]).cursor() if last else None,
            }

        return await self._answer("search", asdict(search), ask, settled=settled)

    async def stats(
        self,
        *,
        since: datetime | None,
        until: datetime | None,
        device_id: str | None,
        service: str | None,
    ) -> Answer:
        """Count by level, device and hour; of the last 24 hours unless said otherwise."""
        now = self._database.now()
        asked = {"since": since, "until": until, "device_id": device_id, "service": service}
        ends = until or now
        begins = since or ends - _HOURS

        async def ask(conn: Connection) -> object:
            found = await store.count(
                conn, since=begins, until=ends, device_id=device_id, service=service
            )
            levels = {row["level"]: row["lines"] for row in found["levels"]}
            return {"total": sum(levels.values()), **found, "levels": levels}

        settled = ends < now - SETTLED
        return await self._answer("stats", asked, ask, settled=settled)

    async def devices(self, *, after: str | None, limit: int) -> Answer:
        async def ask(conn: Connection) -> object:
            rows = await store.devices(conn, after=after, limit=limit)
            page = rows[:limit]
            return {
                "devices": page,
                "next": page[-1]["device_id"] if len(rows) > limit else None,
            }

        return await self._answer("devices", {"after": after, "limit": limit}, ask, settled=False)

    async def _answer(
        self,
        kind: str,
        asked: dict[str, Any],
        ask: Callable[[Connection], Awaitable[object]],
        *,
        settled: bool,
    ) -> Answer:
        # Named by how it is kept too, so that what was open is not taken for settled.
        named = orjson.dumps([kind, settled, asked], option=orjson.OPT_SORT_KEYS)
        key = hashlib.sha256(named).hexdigest()
        kept = await self._cache.get(key)
        if kept is not None:
            meters.HITS.inc()
            return Answer(kept, cached=True)
        meters.MISSES.inc()
        try:
            async with self._database.connection() as conn:
                found = await ask(conn)
        except PostgresError as error:
            raise errors.Unavailable(
                "The logs can't be searched just now, or not for so much.",
                code="log_query_failed",
                retry_after_s=1,
                extra={"reason": type(error).__name__},
            ) from error
        body = orjson.dumps(found, default=_told, option=orjson.OPT_PASSTHROUGH_DATETIME)
        await self._cache.set(key, body, ttl_s=SETTLED_S if settled else OPEN_S)
        return Answer(body, cached=False)


def _told(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(type(value).__name__)
