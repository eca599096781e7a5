"""Deliveries whose time has passed while they waited for another: settled where they stand."""

from fleetkit.database import Connection
from ledger.domain.commands import Kind
from ledger.store.deliveries import Settled
from ledger.store.statements import DROPPED

# Nothing of these was ever sent, so nothing has to be looked at; a start that nobody could begin in time
# would otherwise wait for whatever its target still owes, for hours.
_EXPIRE = f"""
WITH expired AS (
    UPDATE deliveries d
    SET state = 'expired', outcome = 'expired', code = 'deadline', settled_at = clock_timestamp(),
        detail = 'Its deadline passed while an earlier command of the target was still owed.'
    WHERE d.environment = $1 AND d.settled_at IS NULL AND d.state = 'pending' AND NOT d.look
      AND d.deadline_at <= now()
    RETURNING d.*
), failed AS (
    UPDATE legs l SET state = 'failed' FROM expired
    WHERE l.id = expired.leg_id AND expired.kind = 'start' AND l.state = 'pending'
), event AS (
    INSERT INTO events (round_id, table_id, environment, type, data) {DROPPED.format("expired")}
), alarm AS (
    INSERT INTO events (round_id, table_id, environment, type, data)
    SELECT round_id, table_id, environment, 'alert.raised',
           jsonb_build_object('delivery', id, 'kind', kind, 'game_code', game_code, 'code', code,
                              'detail', detail)
    FROM expired WHERE kind IN ('result', 'finish', 'cancel')
)
SELECT id, command_id, coalesce(round_id, '') AS round_id, kind, state FROM expired
"""


async def expire(conn: Connection, environment: str) -> list[Settled]:
    rows = await conn.fetch(_EXPIRE, environment)
    return [
        Settled(**{**dict(row), "kind": Kind(row["kind"])}, followed=row["kind"] == Kind.START)
        for row in rows
    ]
