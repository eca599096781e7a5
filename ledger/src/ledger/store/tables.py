"""What the ledger knows of physical tables: their open rounds, and what is wrong on their targets."""

from collections.abc import Sequence

from fleetkit.database import Connection
from ledger.domain.config import Mirror
from ledger.domain.readiness import Switch, Trouble


async def open_rounds(conn: Connection, tables: Sequence[str]) -> dict[str, str]:
    rows = await conn.fetch(
        "SELECT table_id, id FROM rounds WHERE table_id = ANY($1) AND state IN ('open', 'dealt')",
        list(tables),
    )
    return {row["table_id"]: row["id"] for row in rows}


# What the latest leg of a target left unsettled or refused, and what any earlier one still owes.
_TROUBLES = """
SELECT d.environment, d.game_code, d.kind, d.state, d.code, d.detail,
       coalesce(d.settled_at, d.created_at) AS at, d.leg_id <> newest.id AS earlier
FROM unnest($1::text[], $2::text[]) AS t(environment, game_code)
JOIN LATERAL (SELECT l.id FROM legs l WHERE l.environment = t.environment AND l.game_code = t.game_code
              ORDER BY l.id DESC LIMIT 1) newest ON true
JOIN LATERAL (
    SELECT * FROM deliveries e WHERE e.leg_id = newest.id AND e.state IN ('pending', 'unknown', 'rejected', 'expired')
    UNION ALL
    SELECT * FROM deliveries e
    WHERE e.environment = t.environment AND e.game_code = t.game_code AND e.settled_at IS NULL
      AND e.leg_id <> newest.id
) d ON true
WHERE NOT d.scheduled
ORDER BY d.seq
"""

_SWITCHES = """
SELECT d.environment, d.game_code, d.kind, d.body ->> 'reason' AS reason, d.settled_at AS at,
       (SELECT l.opened_at FROM legs l WHERE l.environment = t.environment AND l.game_code = t.game_code
          AND l.opened_at IS NOT NULL ORDER BY l.id DESC LIMIT 1) AS opened_at
FROM unnest($1::text[], $2::text[]) AS t(environment, game_code)
JOIN LATERAL (
    SELECT * FROM deliveries e
    WHERE e.environment = t.environment AND e.game_code = t.game_code AND e.leg_id IS NULL
      AND e.kind IN ('pause', 'resume') AND e.state = 'accepted'
    ORDER BY e.seq DESC LIMIT 1
) d ON true
"""


async def troubles(conn: Connection, targets: Sequence[Mirror]) -> list[Trouble]:
    """List what each target's latest round left unsettled or refused, and what earlier ones owe."""
    return [Trouble(**dict(row)) for row in await conn.fetch(_TROUBLES, *_places(targets))]


async def switches(conn: Connection, targets: Sequence[Mirror]) -> list[Switch]:
    """List the last pause or resume that each target accepted."""
    return [Switch(**dict(row)) for row in await conn.fetch(_SWITCHES, *_places(targets))]


def _places(targets: Sequence[Mirror]) -> tuple[list[str], list[str]]:
    return (
        [mirror.environment.environment for mirror in targets],
        [mirror.target.id for mirror in targets],
    )
