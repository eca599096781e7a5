"""Looking: what targets show right now, asked for by people and bounded in time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetkit import errors, ids
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from ledger.domain.outcomes import Outcome
from ledger.domain.tableview import TableView
from table_service.services.delivering import TableClient

LONGEST_LOOK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Sight:
    """A target to look at, and the configuration to reach it by."""

    game_code: str
    served_by: str
    config_version: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What it showed, or why it could not be seen."""

    table: TableView | None
    failure: str | None


class Looker:
    """Looks through the same client as the deliveries, so with their sessions and bulkheads."""

    def __init__(
        self, *, tables: TableClient, environment: str, now: Callable[[], datetime]
    ) -> None:
        self._tables = tables
        self._environment = environment
        self._now = now

    async def look(self, sights: Sequence[Sight]) -> list[Seen]:
        until = self._now() + LONGEST_LOOK
        return await asyncio.gather(*(self._look(sight, until) for sight in sights))

    async def _look(self, sight: Sight, until: datetime) -> Seen:
        try:
            reply = await self._tables.call(self._lease(sight, until), "get", until=until)
        except errors.PitbossError as error:
            return Seen(None, error.detail)
        if reply.verdict.outcome is Outcome.ACCEPTED and reply.verdict.table is not None:
            return Seen(reply.verdict.table, None)
        return Seen(None, reply.verdict.detail or "No answer.")

    def _lease(self, sight: Sight, until: datetime) -> Lease:
        """Give what the client asks to be shown; no delivery stands behind it."""
        now = self._now()
        return Lease(
            id=ids.new(),
            token="",
            lease_until=until,
            deadline_at=until,
            command_id="",
            round_id="",
            table_id="",
            environment=self._environment,
            game_code=sight.game_code,
            served_by=sight.served_by,
            config_version=sight.config_version,
            kind=Kind.VISIBILITY,
            body={},
            leg_state="",
            required=False,
            external_round_id=None,
            known_round_id=None,
            bet_stop="driver",
            timecode_offset_ms=0,
            backups=(),
            look=True,
            overtaken=False,
            attempts=0,
            due_at=now,
            first_sent_at=None,
            written_at=now,
        )
