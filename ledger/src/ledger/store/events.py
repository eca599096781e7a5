"""Events: those of a round sealed into its chain and read in its order, others written alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from fleetkit.clock import rfc3339
from fleetkit.database import Connection
from ledger.domain import feed
from ledger.domain.history import Event

_TIMES: Final = ("bet_stop_at", "next_attempt_at", "opened_at")


def told(data: Mapping[str, object]) -> Mapping[str, object]:
    """Give an event's data with its times as the contract has them; Postgres wrote them its way."""
    times = {
        name: rfc3339(datetime.fromisoformat(str(data[name])))
        for name in _TIMES
        if data.get(name) is not None
    }
    return {**data, **times} if times else data


@dataclass(frozen=True, slots=True)
class History:
    """A round's sealed events, and the table they are of."""

    round_id: str
    table: str
    events: tuple[Event, ...]


async def publish(
    conn: Connection,
    *,
    type: str,  # noqa: A002 - the contract's word
    table: str | None = None,
    environment: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Write an event that belongs to no round, in the caller's transaction; the relay tells it."""
    if type not in feed.TYPES:
        raise ValueError(f"{type} is no type of event")
    await conn.execute(
        "INSERT INTO events (table_id, environment, type, data) VALUES ($1, $2, $3, $4)",
        table,
        environment,
        type,
        dict(data or {}),
    )


async def seal(conn: Connection, round_id: str) -> int:
    """Seal what a round's history has gained; waits for another that seals it."""
    return cast("int", await conn.fetchval("SELECT seal_events($1)", round_id))


async def seal_due(conn: Connection, *, older_than: timedelta, limit: int) -> int:
    """Seal rounds with events left unsealed for a while; a round that another seals is passed over.

    The lock is the one seal_events takes, so it has it already when it begins.
    """
    return cast(
        "int",
        await conn.fetchval(
            """WITH due AS MATERIALIZED (
                   SELECT round_id FROM events
                   WHERE number IS NULL AND round_id IS NOT NULL AND at < clock_timestamp() - $1::interval
                   GROUP BY round_id ORDER BY min(id) LIMIT $2
               )
               SELECT count(CASE WHEN pg_try_advisory_xact_lock(hashtext('pitboss_seal'), hashtext(round_id))
                                 THEN seal_events(round_id) END)
               FROM due""",
            older_than,
            limit,
        ),
    )


async def of_round(conn: Connection, round_id: str) -> History | None:
    """Read a round's sealed events in order; None when there is no such round."""
    rows = await conn.fetch(
        """SELECT table_id, number, at, type, data, prev_hash, hash FROM events
           WHERE round_id = $1 AND number IS NOT NULL ORDER BY number""",
        round_id,
    )
    if not rows:
        return None
    events = tuple(
        Event(
            number=row["number"],
            at=row["at"],
            type=row["type"],
            data=row["data"],
            prev_hash=row["prev_hash"],
            hash=row["hash"],
        )
        for row in rows
    )
    return History(round_id=round_id, table=rows[0]["table_id"], events=events)
