"""What the ledger knows of physical tables: their open rounds, and what is wrong on their targets."""

from collections.abc import Sequence

from fleetkit.database import Connection
from ledger.domain.readiness import Trouble


async def open_rounds(conn: Connection, tables: Sequence[str]) -> dict[str, str]:
    rows = await conn.fetch(
        "SELECT table_id, id FROM rounds WHERE table_id = ANY($1) AND state IN ('open', 'dealt')",
        list(tables),
    )
    return {row["table_id"]: row["id"] for row in rows}


async def troubles(conn: Connection, tables: Sequence[str]) -> dict[str, list[Trouble]]:
    """List what each target's latest round left unsettled or refused."""
    rows = await conn.fetch(
        """SELECT d.table_id, d.environment, d.game_code, d.kind, d.state, d.code, d.detail
           FROM rounds r
           JOIN LATERAL (SELECT id FROM rounds n WHERE n.table_id = r.table_id
                         ORDER BY n.id DESC LIMIT 1) newest ON newest.id = r.id
           JOIN deliveries d ON d.round_id = r.id
           WHERE r.table_id = ANY($1) AND NOT d.scheduled
             AND (d.state IN ('pending', 'unknown', 'rejected', 'expired'))
           ORDER BY d.seq""",
        list(tables),
    )
    found: dict[str, list[Trouble]] = {}
    for row in rows:
        found.setdefault(row["table_id"], []).append(
            Trouble(
                environment=row["environment"],
                game_code=row["game_code"],
                kind=row["kind"],
                state=row["state"],
                code=row["code"],
                detail=row["detail"],
            )
        )
    return found
