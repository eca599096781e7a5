"""The newest configuration of every environment, kept at hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from fleetkit import background, errors
from ledger.domain.config import Environment, Mirror, mirrors
from ledger.store.config import Version
from ledger.store.documents import Documents
from ledger.store.standing import Standing

# With Redis a change is pushed. Without it this is how soon it is in force: one small query.
POLL_S = 1.0


class Catalog:
    """What tables there are and where they are mirrored."""

    def __init__(self, documents: Documents) -> None:
        self._standing = Standing(documents)

    @classmethod
    @asynccontextmanager
    async def open(cls, documents: Documents) -> AsyncIterator[Self]:
        catalog = cls(documents)
        async with background.running(catalog._standing.follow(POLL_S)):
            yield catalog

    async def refresh(self) -> None:
        await self._standing.refresh()

    def facts(self) -> dict[str, dict[str, object]]:
        """Say which version of each environment is in force here, for the registry."""
        return self._standing.facts()

    async def environments(self) -> list[Version]:
        if not self._standing.read:
            await self.refresh()
        versions = self._standing.versions
        return [versions[name] for name in sorted(versions)]

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

    async def reach(self, tables: Sequence[str]) -> dict[str, frozenset[str]]:
        """Give the environments in which each has an enabled target, in one pass over them."""
        found = self._reached(tables, await self.environments())
        if not all(found.values()):
            await self.refresh()
            found = self._reached(tables, await self.environments())
        return found

    @staticmethod
    def _reached(tables: Sequence[str], versions: list[Version]) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {table: set() for table in tables}
        for version in versions:
            for target in version.document.tables:
                if target.enabled and target.table in found:
                    found[target.table].add(version.document.environment)
        return {table: frozenset(environments) for table, environments in found.items()}

    @staticmethod
    def _pairs(versions: list[Version]) -> list[tuple[int, Environment]]:
        return [(version.version, version.document) for version in versions]
