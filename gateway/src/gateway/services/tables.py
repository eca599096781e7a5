"""Tables: where each is mirrored, and whether a round can begin on it."""

from dataclasses import dataclass

from fleetkit import errors
from fleetkit.database import Database
from gateway.adapters.breakers import Breakers
from gateway.adapters.catalog import Catalog
from gateway.domain import sight
from ledger.domain.actors import Actor
from ledger.domain.config import Mirror
from ledger.domain.readiness import Readiness, light
from ledger.store import tables


@dataclass(frozen=True, slots=True)
class Table:
    """A physical table as the dealer needs to know it."""

    name: str
    type: str
    targets: tuple[Mirror, ...]
    open_round: str | None
    readiness: Readiness


class Tables:
    """What is configured, joined with what the ledger knows."""

    def __init__(self, *, database: Database, catalog: Catalog, breakers: Breakers) -> None:
        self._database = database
        self._catalog = catalog
        self._breakers = breakers

    async def all(self, actor: Actor) -> list[Table]:
        """List the tables that the actor sees, each with the targets they see."""
        found = dict(sight.tables(actor, (await self._catalog.tables()).items()))
        return await self._describe(found)

    async def get(self, name: str, actor: Actor) -> Table:
        targets = sight.mirrors(actor, await self._catalog.mirrors(name))
        if not targets:
            raise errors.NotFound(f"There is no table {name}.", code="unknown_table")
        [table] = await self._describe({name: targets})
        return table

    async def _describe(self, found: dict[str, list[Mirror]]) -> list[Table]:
        mirrors = [mirror for targets in found.values() for mirror in targets]
        broken = await self._breakers.open(mirror.environment.environment for mirror in mirrors)
        async with self._database.connection() as conn:
            rounds = await tables.open_rounds(conn, list(found))
            troubles = await tables.troubles(conn, mirrors)
            switches = await tables.switches(conn, mirrors)
        return [
            Table(
                name=name,
                type=targets[0].target.type,
                targets=tuple(targets),
                open_round=rounds.get(name),
                readiness=light(targets, troubles, switches, broken),
            )
            for name, targets in found.items()
        ]
