"""Breakers as the fleet was told of them: one event a change, however many replicas notice it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetkit.database import Connection


@dataclass(frozen=True, slots=True)
class Target:
    """Whose breaker it is."""

    environment: str
    game_code: str
    table: str


# An opening from before the last change is old news: a replica that has not heard yet that it closed.
_OPENED = """
WITH change AS (
    INSERT INTO breakers AS b (environment, game_code, table_id, is_open, changed_at)
    VALUES ($1, $2, $3, true, $4)
    ON CONFLICT (environment, game_code) DO UPDATE
        SET is_open = true, changed_at = excluded.changed_at, table_id = excluded.table_id,
            seen_at = clock_timestamp()
        WHERE NOT b.is_open AND excluded.changed_at > b.changed_at
    RETURNING *
), confirmed AS (
    UPDATE breakers SET seen_at = clock_timestamp()
    WHERE environment = $1 AND game_code = $2 AND is_open
)
INSERT INTO events (table_id, environment, type, data)
SELECT table_id, environment, 'breaker.opened',
       jsonb_build_object('environment', environment, 'game_code', game_code, 'opened_at', changed_at, 'instance', $5::text)
FROM change
"""

_CLOSE = """
WITH change AS (
    UPDATE breakers b SET is_open = false, changed_at = {at}
    FROM (SELECT environment, game_code, changed_at AS opened_at FROM breakers WHERE {which} FOR UPDATE) was
    WHERE b.environment = was.environment AND b.game_code = was.game_code
    RETURNING b.*, was.opened_at
)
INSERT INTO events (table_id, environment, type, data)
SELECT table_id, environment, 'breaker.closed',
       jsonb_build_object('environment', environment, 'game_code', game_code, 'opened_at', opened_at,
                          'reason', {reason})
FROM change
"""
_CLOSED = _CLOSE.format(
    at="$3", which="environment = $1 AND game_code = $2 AND is_open", reason="'It answers again.'"
)
_FORGOTTEN = _CLOSE.format(
    at="clock_timestamp()",
    which="is_open AND seen_at < clock_timestamp() - $1::interval",
    reason="'No replica has spoken of it for a while.'",
)


async def note_open(
    conn: Connection, target: Target, *, opened_at: datetime, instance: str
) -> None:
    """Tell that it opened, or confirm that it still is."""
    await conn.execute(
        _OPENED, target.environment, target.game_code, target.table, opened_at, instance
    )


async def note_closed(conn: Connection, target: Target, *, at: datetime) -> None:
    await conn.execute(_CLOSED, target.environment, target.game_code, at)


async def forget(conn: Connection, *, unseen_for: timedelta) -> None:
    """Close what no replica has confirmed for so long: those that knew of it are gone."""
    await conn.execute(_FORGOTTEN, unseen_for)
