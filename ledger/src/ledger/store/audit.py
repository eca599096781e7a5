"""The audit list: what was changed, by whom, from where; lines are added and never touched again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleetkit import context
from fleetkit.database import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """One line."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    address: str | None
    trace_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines to list, newest first."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    below: int | None = None
    limit: int = 50


async def record(
    conn: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    address: str | None = None,
) -> None:
    """Add a line, in the transaction of the change where there is one."""
    await conn.execute(
        """INSERT INTO audit (actor, action, subject, address, trace_id, before, after)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        actor,
        action,
        subject,
        address,
        context.trace_id.get(),
        before,
        after,
    )


async def find(conn: Connection, wanted: Filter) -> list[Entry]:
    rows = await conn.fetch(
        """SELECT id, at, actor, action, subject, address, trace_id, before, after FROM audit
           WHERE ($1::text IS NULL OR actor = $1)
             AND ($2::text IS NULL OR action = $2)
             AND ($3::text IS NULL OR subject = $3)
             AND ($4::timestamptz IS NULL OR at >= $4)
             AND ($5::timestamptz IS NULL OR at < $5)
             AND ($6::bigint IS NULL OR id < $6)
           ORDER BY id DESC LIMIT $7""",
        wanted.actor,
        wanted.action,
        wanted.subject,
        wanted.since,
        wanted.until,
        wanted.below,
        wanted.limit,
    )
    return [Entry(**dict(row)) for row in rows]
