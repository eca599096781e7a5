"""Rounds and their commands: each command is one statement that writes the intent whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from fleetkit.database import Connection
from ledger.domain.commands import Kind
from ledger.domain.config import Mirror
from ledger.domain.deliveries import Lease
from ledger.domain.rounds import Last, Leg, Round
from ledger.store.statements import ADVANCE, CONCLUDE, START


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked, by whom, and until when it makes sense."""

    id: str
    round_id: str
    table_id: str
    kind: Kind
    body: dict[str, object]
    actor: str
    trace_id: str | None
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class NewLeg:
    """A target that takes part, with its own lease time."""

    mirror: Mirror
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Written:
    """What a command left in the ledger: leases to carry out now, environments with work to wait for."""

    leases: tuple[Lease, ...]
    waiting: frozenset[str]


async def start(
    conn: Connection, command: Command, *, game_type: str, legs: Sequence[NewLeg]
) -> Written:
    """Open a round: its command, its legs and a leased delivery for each.

    Raises asyncpg's UniqueViolationError when the table has an open round.
    """
    rows = await conn.fetch(
        START,
        command.round_id,
        command.id,
        command.table_id,
        game_type,
        command.body,
        command.actor,
        command.trace_id,
        command.deadline,
        [leg.mirror.environment.environment for leg in legs],
        [leg.mirror.target.id for leg in legs],
        [leg.mirror.version for leg in legs],
        [leg.mirror.required for leg in legs],
        [leg.mirror.target.bet_stop for leg in legs],
        [leg.mirror.target.finish_policy for leg in legs],
        [leg.mirror.target.deal_to_finish_ms for leg in legs],
        [leg.mirror.target.timecode_offset_ms for leg in legs],
        [leg.lease for leg in legs],
        [list(leg.mirror.target.backups) for leg in legs],
    )
    return _written(rows)


async def advance(
    conn: Connection, command: Command, *, lease: timedelta, result: dict[str, object] | None = None
) -> Written | None:
    """Write a round's next command; None when the round's state does not allow it.

    The update of the round's row decides a race: the second of two results finds the state moved.
    """
    rows = await conn.fetch(
        ADVANCE[command.kind],
        command.round_id,
        command.id,
        command.body,
        command.actor,
        command.trace_id,
        command.deadline,
        lease,
        result,
    )
    return _written(rows) if rows else None


async def conclude(conn: Connection, round_ids: Sequence[str]) -> None:
    """End rounds with nothing left to do: no leg opened, or all finished by themselves."""
    await conn.execute(CONCLUDE, list(round_ids))


def _written(rows: Sequence[Any]) -> Written:
    records = [dict(row) for row in rows if row["id"] is not None]
    states = [record.pop("state") for record in records]
    pairs = list(zip(records, states, strict=True))
    return Written(
        leases=tuple(Lease.from_record(record) for record, state in pairs if state == "sending"),
        waiting=frozenset(record["environment"] for record, state in pairs if state == "pending"),
    )


_ROUND = """
SELECT r.id AS round_id, r.table_id, r.type, r.state AS round_state, r.result, r.started_at,
       r.last_command,
       l.environment, l.game_code, l.served_by, l.required, l.state, l.external_round_id,
       l.bet_period, l.bet_stop_at, l.auto_bet_stop, l.opened_at,
       d.kind, d.command_id, d.state AS delivery_state, d.outcome, d.code, d.detail, d.attempts,
       d.latency_ms, CASE WHEN d.settled_at IS NULL THEN greatest(d.due_at, d.lease_until) END AS next_at
FROM rounds r
JOIN legs l ON l.round_id = r.id
LEFT JOIN LATERAL (
    SELECT * FROM deliveries WHERE leg_id = l.id AND NOT scheduled ORDER BY rank DESC LIMIT 1
) d ON true
"""


async def get(conn: Connection, round_id: str) -> Round | None:
    rows = await conn.fetch(_ROUND + "WHERE r.id = $1 ORDER BY l.position", round_id)
    return _round(rows) if rows else None


async def get_all(conn: Connection, round_ids: Sequence[str]) -> list[Round]:
    rows = await conn.fetch(
        _ROUND + "WHERE r.id = ANY($1) ORDER BY r.id DESC, l.position", list(round_ids)
    )
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row["round_id"], []).append(row)
    return [_round(group) for group in grouped.values()]


async def open_on(conn: Connection, table: str) -> str | None:
    return cast(
        "str | None",
        await conn.fetchval(
            "SELECT id FROM rounds WHERE table_id = $1 AND state IN ('open', 'dealt')", table
        ),
    )


async def place(conn: Connection, round_id: str) -> tuple[str, frozenset[str]] | None:
    """Give a round's table and the environments of its legs; neither ever changes."""
    row = await conn.fetchrow(
        """SELECT r.table_id, array_agg(l.environment) FILTER (WHERE l.id IS NOT NULL) AS environments
           FROM rounds r LEFT JOIN legs l ON l.round_id = r.id WHERE r.id = $1 GROUP BY r.id""",
        round_id,
    )
    return (row["table_id"], frozenset(row["environments"] or ())) if row else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rounds to list, newest first; of those tables, with a leg in those environments."""

    table: str | None = None
    state: str | None = None
    unresolved: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: str | None = None
    limit: int = 50
    tables: frozenset[str] | None = None
    environments: frozenset[str] | None = None


async def find(conn: Connection, wanted: Filter) -> list[Round]:
    ids = await conn.fetch(
        """SELECT id FROM rounds r
           WHERE ($1::text IS NULL OR table_id = $1)
             AND ($2::text IS NULL OR state = CASE WHEN $2 = 'bet_stopped' THEN 'open' ELSE $2 END)
             AND ($2::text IS NULL OR $2 NOT IN ('open', 'bet_stopped')
                  OR ($2 = 'bet_stopped') = NOT EXISTS (
                     SELECT FROM legs l WHERE l.round_id = r.id
                        AND (l.state = 'pending' OR (l.state = 'opened' AND NOT coalesce(
                             l.auto_bet_stop AND l.bet_stop_at <= now(), false)))))
             AND ($3::bool IS NULL OR $3 = EXISTS (
                     SELECT FROM deliveries d WHERE d.round_id = r.id AND NOT d.scheduled
                        AND (d.settled_at IS NULL OR (d.state = 'rejected' AND d.kind <> 'start'))))
             AND ($4::timestamptz IS NULL OR started_at >= $4)
             AND ($5::timestamptz IS NULL OR started_at < $5)
             AND ($6::text IS NULL OR id < $6)
             AND ($8::text[] IS NULL OR table_id = ANY($8))
             AND ($9::text[] IS NULL OR EXISTS (
                     SELECT FROM legs l WHERE l.round_id = r.id AND l.environment = ANY($9)))
           ORDER BY id DESC LIMIT $7""",
        wanted.table,
        wanted.state,
        wanted.unresolved,
        wanted.since,
        wanted.until,
        wanted.before,
        wanted.limit,
        None if wanted.tables is None else list(wanted.tables),
        None if wanted.environments is None else list(wanted.environments),
    )
    return await get_all(conn, [row[0] for row in ids])


def _round(rows: Sequence[Any]) -> Round:
    first = rows[0]
    return Round(
        id=first["round_id"],
        table=first["table_id"],
        type=first["type"],
        state=first["round_state"],
        result=first["result"],
        started_at=first["started_at"],
        last_command=first["last_command"],
        legs=tuple(_leg(row) for row in rows),
    )


def _leg(row: Any) -> Leg:
    last = None
    if row["kind"] is not None:
        last = Last(
            command=row["kind"],
            command_id=row["command_id"],
            state=row["delivery_state"],
            outcome=row["outcome"],
            code=row["code"],
            detail=row["detail"],
            attempts=row["attempts"],
            latency_ms=row["latency_ms"],
            next_attempt_at=row["next_at"],
        )
    return Leg(
        environment=row["environment"],
        game_code=row["game_code"],
        served_by=row["served_by"],
        required=row["required"],
        state=row["state"],
        external_round_id=row["external_round_id"],
        bet_period=row["bet_period"],
        bet_stop_at=row["bet_stop_at"],
        auto_bet_stop=row["auto_bet_stop"],
        opened_at=row["opened_at"],
        last=last,
    )
