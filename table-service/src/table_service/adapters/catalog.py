"""The environment's configuration: a round ends on the version it began with."""

from contextlib import suppress
from typing import Final

from fleetkit import errors
from ledger.domain.config import Environment
from ledger.store.documents import Documents
from ledger.store.standing import Standing
from table_service.adapters import secrets

# With Redis a change is pushed; and a lease of a version not seen yet is looked up at once.
POLL_S: Final = 5.0


def judge(document: Environment) -> None:
    """Refuse a document whose secrets can't be read here."""
    secrets.read(document.signature)
    secrets.read(document.table_token)


class Catalog:
    """The versions of this replica's environment."""

    def __init__(self, documents: Documents, environment: str) -> None:
        self.environment = environment
        self._documents = documents
        self._standing = Standing(documents, environment=environment, judge=judge)
        self._versions: dict[int, Environment] = {}

    async def follow(self) -> None:
        """Take each new version soon, also without Redis."""
        await self._standing.follow(POLL_S)

    async def refresh(self) -> None:
        await self._standing.refresh()

    def facts(self) -> dict[str, dict[str, object]]:
        """Say which version is in force here, for the registry."""
        return self._standing.facts()

    async def latest(self) -> Environment | None:
        await self.refresh()
        good = self._standing.versions.get(self.environment)
        return good.document if good else None

    async def get(self, version: int) -> Environment:
        """Give the version to work by: this one, or the last good one where this can't be used.

        Never one with another address: a finish has no round id in it, and would end whatever
        round is open over there.
        """
        document = await self._read(version)
        good = self._standing.versions.get(self.environment)
        refused = self._standing.refused.get(self.environment)
        if good is None or version > max(good.version, refused.version if refused else 0):
            with suppress(errors.Unavailable):
                await self.refresh()
            good = self._standing.versions.get(self.environment)
            refused = self._standing.refused.get(self.environment)
        if good is None or refused is None or refused.version != version:
            return document
        return good.document if good.document.base_url == document.base_url else document

    async def _read(self, version: int) -> Environment:
        known = self._versions.get(version)
        if known is not None:
            return known
        found = await self._documents.get(self.environment, version)
        if found is None:
            raise errors.NotFound(
                f"{self.environment} has no version {version}.", code="no_version"
            )
        self._versions[version] = found.document
        return found.document
