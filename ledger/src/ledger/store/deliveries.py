"""Deliveries: claimed under a lease, settled while the lease is held, given back when nothing was sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from fleetkit.database import Connection
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease, Settlement
from ledger.store import settling
from ledger.store.courier import CLAIM, NEXT_DUE, RELEASE, SWITCH
from ledger.store.leases import read

# The gateways wait on this channel for what couriers settle; the couriers wait on the other for new work.
SETTLED_CHANNEL = "settled"
DUE_CHANNEL = "due"


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery whose settlement was written: its lease was still held."""

    id: str
    command_id: str
    round_id: str
    kind: Kind
    state: str
    followed: bool
    # Its round had not ended, and may end with this.
    in_play: bool = True


async def claim(conn: Connection, environment: str, *, limit: int, lease: timedelta) -> list[Lease]:
    """Take due deliveries, at most one a target; a lease that ran out is taken as unknown (look first)."""
    rows = await conn.fetch(CLAIM, environment, limit, lease)
    return [read(dict(row)) for row in rows]


async def next_due(conn: Connection, environment: str) -> datetime | None:
    return cast("datetime | None", await conn.fetchval(NEXT_DUE, environment))


async def count_unsettled(conn: Connection) -> dict[str, int]:
    """Count what is due and not settled, by state."""
    rows = await conn.fetch(
        """SELECT state, count(*) FROM deliveries WHERE settled_at IS NULL AND NOT scheduled
           GROUP BY state"""
    )
    return {row[0]: row[1] for row in rows}


async def settle(
    conn: Connection, settlements: Sequence[Settlement], *, instance: str
) -> list[Settled]:
    attempts = [(s.lease.id, a) for s in settlements for a in s.attempts]
    rows = await conn.fetch(
        settling.statement(settlements),
        [s.lease.id for s in settlements],
        [s.lease.token for s in settlements],
        [s.state for s in settlements],
        [s.outcome for s in settlements],
        [s.cause for s in settlements],
        [s.code for s in settlements],
        [s.detail for s in settlements],
        [s.attempts[-1].latency_ms if s.attempts else None for s in settlements],
        [s.due_at for s in settlements],
        [s.look for s in settlements],
        [s.calls for s in settlements],
        [s.first_sent_at for s in settlements],
        [s.opened.external_round_id if s.opened else None for s in settlements],
        [s.opened.bet_period if s.opened else None for s in settlements],
        [s.opened.bet_stop_at if s.opened else None for s in settlements],
        [s.opened.auto_bet_stop if s.opened else None for s in settlements],
        [s.served_by for s in settlements],
        [s.at for s in settlements],
        [a.at for _, a in attempts],
        [delivery for delivery, _ in attempts],
        [a.operation for _, a in attempts],
        [a.outcome for _, a in attempts],
        [a.cause for _, a in attempts],
        [a.http_status for _, a in attempts],
        [a.code for _, a in attempts],
        [a.detail for _, a in attempts],
        [a.latency_ms for _, a in attempts],
        instance,
        [s.alert for s in settlements],
        [s.cancel_late for s in settlements],
    )
    return [
        Settled(
            id=row["id"],
            command_id=row["command_id"],
            round_id=row["round_id"] or "",
            kind=Kind(row["kind"]),
            state=row["state"],
            followed=row["followed"],
            in_play=row["in_play"],
        )
        for row in rows
    ]


async def switch(
    conn: Connection, lease: Lease, served_by: str, *, reason: str | None
) -> Lease | None:
    """Hand a leg to a backup before its start goes there; None when the lease is lost."""
    row = await conn.fetchrow(SWITCH, lease.id, lease.token, served_by, reason)
    if row is None:
        return None
    return replace(lease, served_by=served_by, known_round_id=row["known_round_id"])


async def release(conn: Connection, leases: Iterable[Lease], *, detail: str) -> None:
    held = list(leases)
    await conn.execute(
        RELEASE, [lease.id for lease in held], [lease.token for lease in held], detail
    )


async def waited_for(conn: Connection, environment: str) -> set[str]:
    """Name the targets that something due waits for."""
    rows = await conn.fetch(
        """SELECT DISTINCT coalesce(l.served_by, d.game_code)
           FROM deliveries d LEFT JOIN legs l ON l.id = d.leg_id
           WHERE d.environment = $1 AND d.settled_at IS NULL AND NOT d.scheduled""",
        environment,
    )
    return {row[0] for row in rows}


async def hasten(conn: Connection, environment: str, served_by: str) -> None:
    """Make what was put off at a target due now: it answers again."""
    await conn.execute(
        """UPDATE deliveries d SET due_at = now()
           WHERE d.environment = $1
             AND coalesce((SELECT l.served_by FROM legs l WHERE l.id = d.leg_id), d.game_code) = $2
             AND d.settled_at IS NULL AND d.state IN ('pending', 'unknown') AND NOT d.scheduled AND d.outcome IS NOT NULL""",
        environment,
        served_by,
    )


async def announce_due(conn: Connection, environments: Iterable[str]) -> None:
    """Wake the couriers of these environments."""
    await conn.execute(
        "SELECT pg_notify($1, environment) FROM unnest($2::text[]) AS environment",
        DUE_CHANNEL,
        sorted(environments),
    )


async def announce_settled(conn: Connection, command_ids: Iterable[str]) -> None:
    """Tell the gateways that wait for these commands."""
    await conn.execute(
        "SELECT pg_notify($1, command) FROM unnest($2::text[]) AS command",
        SETTLED_CHANNEL,
        sorted(command_ids),
    )
