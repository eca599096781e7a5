"""Where rounds are played: what a key that is limited must be held against."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from fleetkit.database import Database
from ledger.store import rounds

MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A round's table and the environments of its legs."""

    table: str
    environments: frozenset[str]


class Places:
    """Remembers the latest, as a round never moves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, Place] = OrderedDict()

    async def of(self, round_id: str) -> Place | None:
        known = self._known.get(round_id)
        if known is None:
            async with self._database.connection() as conn:
                found = await rounds.place(conn, round_id)
            if found is None:
                return None
            known = self._known[round_id] = Place(*found)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return known
