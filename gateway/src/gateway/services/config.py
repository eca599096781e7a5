"""Configuration: the versions of each environment, put and read."""

from asyncpg import UniqueViolationError

from fleetkit import errors
from fleetkit.database import Database
from gateway.adapters.catalog import Catalog
from ledger.domain.config import Environment
from ledger.store import config
from ledger.store.config import Version


class Config:
    """The environments' documents."""

    def __init__(self, *, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    async def all(self) -> list[Version]:
        await self._catalog.refresh()
        return await self._catalog.environments()

    async def get(self, environment: str) -> Version:
        async with self._database.connection() as conn:
            found = await config.get(conn, environment)
        if found is None:
            raise errors.NotFound(
                f"There is no environment {environment}.", code="unknown_environment"
            )
        return found

    async def put(self, document: Environment, *, author: str, expected: int | None) -> Version:
        """Add a version; stale when somebody else has added one since `expected`."""
        async with self._database.connection() as conn:
            try:
                version = await config.put(
                    conn, document, author=author, reason=None, expected=expected
                )
            except UniqueViolationError:
                version = None
        if version is None:
            raise errors.Stale(
                f"{document.environment} has changed meanwhile: read it again, then put yours.",
                code="stale_version",
            )
        await self._catalog.refresh()
        return await self.get(document.environment)
