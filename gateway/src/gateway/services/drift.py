"""Drift: what each target of a table reports, held against the ledger."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fleetkit.database import Database
from gateway.adapters.catalog import Catalog
from gateway.adapters.looks import Looks, Seen
from gateway.domain import sight
from ledger.domain.actors import Actor
from ledger.domain.config import Mirror
from ledger.domain.drift import Finding, Place, compare
from ledger.store import drift


@dataclass(frozen=True, slots=True)
class Compared:
    """One target: what we know, what it shows, and what that comes to."""

    place: Place
    seen: Seen
    finding: Finding


class Drift:
    """Looks at all targets of a table at once."""

    def __init__(self, *, database: Database, catalog: Catalog, looks: Looks) -> None:
        self._database = database
        self._catalog = catalog
        self._looks = looks

    async def of(self, table: str, actor: Actor) -> list[Compared]:
        """Compare every enabled target; what is written meanwhile is read after the looking."""
        targets = sight.mirrors(actor, await self._catalog.targets(table, None))
        before = await self._places(table, targets)
        seen = await self._look(targets, [place.served_by for place in before])
        after = await self._places(table, targets)
        return [
            Compared(place, one, compare(place, one.table, one.failure))
            for place, one in zip(after, seen, strict=True)
        ]

    async def _places(self, table: str, targets: Sequence[Mirror]) -> list[Place]:
        async with self._database.connection() as conn:
            return await drift.places(conn, table, targets)

    async def _look(self, targets: Sequence[Mirror], where: Sequence[str]) -> list[Seen]:
        asked: dict[str, list[int]] = {}
        for number, mirror in enumerate(targets):
            asked.setdefault(mirror.environment.environment, []).append(number)
        answers = await asyncio.gather(
            *(
                self._looks.at(name, [(targets[n], where[n]) for n in numbers])
                for name, numbers in asked.items()
            )
        )
        found = {
            number: one
            for numbers, seen in zip(asked.values(), answers, strict=True)
            for number, one in zip(numbers, seen, strict=True)
        }
        return [found[number] for number in range(len(targets))]
