"""The history of rounds, and rounds as they were."""

from datetime import datetime

from fleetkit import errors
from fleetkit.clock import rfc3339
from fleetkit.database import Database
from ledger.domain.history import replay
from ledger.domain.rounds import Round
from ledger.store import events
from ledger.store.events import History


class Histories:
    """What happened, read from sealed events alone."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def get(self, round_id: str) -> History:
        """Give every event of the round in order, its newest sealed first."""
        async with self._database.connection() as conn:
            await events.seal(conn, round_id)
            found = await events.of_round(conn, round_id)
        if found is None:
            raise errors.NotFound(f"There is no round {round_id}.", code="unknown_round")
        return found

    async def get_at(self, round_id: str, at: datetime) -> Round:
        """Give the round as it was at a moment that has passed."""
        if at > self._database.now():
            raise errors.Invalid("at lies in the future.", code="not_yet", field="query.at")
        history = await self.get(round_id)
        found = replay(round_id, history.table, history.events, at)
        if found is None:
            begun = rfc3339(history.events[0].at)
            raise errors.NotFound(
                f"The round had not begun then; it began at {begun}.", code="round_not_begun"
            )
        return found
