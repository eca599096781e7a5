"""The newest configuration of every environment, kept at hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from fleetkit import background, errors, logs
from fleetkit.database import Database
from ledger.domain.config import Environment, Mirror, mirrors
from ledger.store import config
from ledger.store.config import Version

log = logs.get(__name__)

POLL_S = 1.0


class Catalog:
    """What tables there are and where they are mirrored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._versions: dict[str, Version] = {}
        self._read = False

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database) -> AsyncIterator[Self]:
        catalog = cls(database)
        async with background.running(catalog._follow()):
            yield catalog

    async def _follow(self) -> None:
        while True:
            try:
                await self.refresh()
            except errors.Unavailable:
                pass  # the last good configuration stays in force
            except Exception:
                log.exception("catalog_not_read")
            await asyncio.sleep(POLL_S)

    async def refresh(self) -> None:
        async with self._database.connection() as conn:
            numbers = await config.numbers(conn)
            if self._read and numbers == {n: v.version for n, v in self._versions.items()}:
                return
            self._versions = {v.environment: v for v in await config.latest(conn)}
            self._read = True

    async def environments(self) -> list[Version]:
        if not self._read:
            await self.refresh()
        return [self._versions[name] for name in sorted(self._versions)]

    async def tables(self) -> dict[str, list[Mirror]]:
        """Every physical table with its enabled targets."""
        pairs = self._pairs(await self.environments())
        names = {target.table for _, env in pairs for target in env.tables if target.enabled}
        return {name: mirrors(pairs, name) for name in sorted(names)}

    async def mirrors(self, table: str) -> list[Mirror]:
        """List the targets of a table; one just added elsewhere is looked up first."""
        found = mirrors(self._pairs(await self.environments()), table)
        if not found:
            await self.refresh()
            found = mirrors(self._pairs(await self.environments()), table)
        return found

    async def targets(self, table: str, environments: Sequence[str] | None) -> list[Mirror]:
        """List the targets of a table that are meant; refuse what is not there."""
        found = await self.mirrors(table)
        if not found:
            raise errors.NotFound(f"There is no table {table}.", code="unknown_table")
        if environments is None:
            return found
        missing = sorted(set(environments) - {mirror.environment.environment for mirror in found})
        if missing:
            raise errors.Invalid(
                f"{table} has no enabled target in {', '.join(missing)}.",
                code="unknown_environment",
                field="body.environments",
            )
        return [mirror for mirror in found if mirror.environment.environment in environments]

    @staticmethod
    def _pairs(versions: list[Version]) -> list[tuple[int, Environment]]:
        return [(version.version, version.document) for version in versions]
