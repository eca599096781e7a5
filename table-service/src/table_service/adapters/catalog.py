"""The environment's configuration: a round ends on the version it began with."""

from fleetkit import errors
from fleetkit.database import Database
from ledger.domain.config import Environment
from ledger.store import config


class Catalog:
    """The versions of this replica's environment."""

    def __init__(self, database: Database, environment: str) -> None:
        self.environment = environment
        self._database = database
        self._versions: dict[int, Environment] = {}

    async def latest(self) -> Environment | None:
        async with self._database.connection() as conn:
            found = await config.get(conn, self.environment)
        return found.document if found else None

    async def get(self, version: int) -> Environment:
        known = self._versions.get(version)
        if known is not None:
            return known
        async with self._database.connection() as conn:
            found = await config.get(conn, self.environment, version)
        if found is None:
            raise errors.NotFound(
                f"{self.environment} has no version {version}.", code="no_version"
            )
        self._versions[version] = found.document
        return found.document
