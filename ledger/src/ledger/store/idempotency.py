"""Idempotency keys: who runs a request, and the answer it got."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetkit.database import Connection
from ledger.domain.commands import Kind

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """A request under a key; the command's id is given before it runs, so that it can be found."""

    actor: str
    key: str
    fingerprint: bytes
    command_id: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """What stands under the key already."""

    fingerprint: bytes
    command_id: str
    running_until: datetime
    status: int | None
    answer: bytes | None


async def claim(conn: Connection, wanted: Claim, *, running_for: timedelta) -> bool:
    """Take the key; an entry past its 24 hours counts for nothing."""
    return bool(
        await conn.fetchval(
            """INSERT INTO idempotency (actor, key, fingerprint, command_id, running_until)
               VALUES ($1, $2, $3, $4, clock_timestamp() + $5::interval)
               ON CONFLICT (actor, key) DO UPDATE
                   SET fingerprint = excluded.fingerprint, command_id = excluded.command_id,
                       running_until = excluded.running_until, status = NULL, answer = NULL,
                       created_at = clock_timestamp()
                   WHERE idempotency.created_at < clock_timestamp() - $6::interval
               RETURNING true""",
            wanted.actor,
            wanted.key,
            wanted.fingerprint,
            wanted.command_id,
            running_for,
            KEPT,
        )
    )


async def get(conn: Connection, actor: str, key: str) -> Earlier | None:
    row = await conn.fetchrow(
        """SELECT fingerprint, command_id, running_until, status, answer
           FROM idempotency WHERE actor = $1 AND key = $2""",
        actor,
        key,
    )
    return Earlier(**dict(row)) if row else None


async def take_over(
    conn: Connection, earlier: Earlier, actor: str, key: str, *, running_for: timedelta
) -> bool:
    """Run in place of one that died; of several that try, one may."""
    return bool(
        await conn.fetchval(
            """UPDATE idempotency SET running_until = clock_timestamp() + $4::interval
               WHERE actor = $1 AND key = $2 AND running_until = $3 AND status IS NULL
               RETURNING true""",
            actor,
            key,
            earlier.running_until,
            running_for,
        )
    )


async def keep(conn: Connection, actor: str, key: str, *, status: int, answer: bytes) -> None:
    await conn.execute(
        "UPDATE idempotency SET status = $3, answer = $4 WHERE actor = $1 AND key = $2",
        actor,
        key,
        status,
        answer,
    )


async def forget(conn: Connection, actor: str, key: str) -> None:
    """Give the key back: nothing was written under it."""
    await conn.execute(
        "DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND status IS NULL", actor, key
    )


async def leave(conn: Connection, actor: str, key: str) -> None:
    """Let the next one step in at once: it is not known whether anything was written."""
    await conn.execute(
        """UPDATE idempotency SET running_until = clock_timestamp()
           WHERE actor = $1 AND key = $2 AND status IS NULL""",
        actor,
        key,
    )


async def purge(conn: Connection) -> None:
    await conn.execute(
        "DELETE FROM idempotency WHERE created_at < clock_timestamp() - $1::interval", KEPT
    )


async def written(conn: Connection, command_id: str) -> tuple[str, Kind] | None:
    """Give the kind and round of a command that was written; a table's own stands for itself."""
    row = await conn.fetchrow("SELECT round_id, kind FROM commands WHERE id = $1", command_id)
    if row is None:
        return None
    kind = Kind(str(row["kind"]).removesuffix("-leg"))
    return row["round_id"] or command_id, kind
