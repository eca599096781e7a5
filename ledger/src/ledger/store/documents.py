"""Documents of configuration, from Redis where it has them, else from Postgres.

Which version is the newest is always asked of Postgres: what Redis holds is only ever the content
of one version, known by its moment too, since a restored database may give a number out again.
"""

from contextlib import suppress
from typing import Any, Final

import orjson
from prometheus_client import Counter

from fleetkit import errors
from fleetkit.cache import Cache
from fleetkit.database import Database
from ledger.store import config
from ledger.store.config import Entry, Version

PREFIX: Final = "pitboss:config:"
TTL_S: Final = 3600.0

HITS: Final = Counter("pitboss_config_cache_hits", "Documents of configuration found in Redis.")
MISSES: Final = Counter("pitboss_config_cache_misses", "Documents read from Postgres instead.")


class Documents:
    """The versions of all environments, to be read."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def newest(self, environment: str | None = None) -> list[Entry]:
        async with self._database.connection() as conn:
            return await config.newest(conn, environment)

    async def get(self, environment: str, version: int | None = None) -> Version | None:
        """Give a version, or the newest."""
        async with self._database.connection() as conn:
            entry = await config.entry(conn, environment, version)
        return None if entry is None else await self.read(entry)

    async def read(self, entry: Entry) -> Version | None:
        """Give the version that an entry is of."""
        key = f"{entry.environment}/{entry.version}/{entry.created_at.timestamp():.6f}"
        kept = await self._cache.get(key)
        if kept is not None:
            with suppress(errors.Conflict):  # what can't be read is as good as not there
                found = self._version(entry, kept)
                HITS.inc()
                return found
        MISSES.inc()
        async with self._database.connection() as conn:
            stored = await config.get(conn, entry.environment, entry.version)
        if stored is not None:
            document: dict[str, Any] = stored.document.model_dump(mode="json", by_alias=True)
            await self._cache.set(key, orjson.dumps(document), ttl_s=TTL_S)
        return stored

    @staticmethod
    def _version(entry: Entry, kept: bytes) -> Version:
        return Version(
            environment=entry.environment,
            version=entry.version,
            document=config.read(entry.environment, entry.version, kept),
            author=entry.author,
            reason=entry.reason,
            created_at=entry.created_at,
        )
