"""The commands of a table itself: a delivery for each target, which belongs to no round and no leg."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from fleetkit.database import Connection
from ledger.domain.commands import Kind
from ledger.domain.config import Mirror
from ledger.domain.rounds import Last
from ledger.domain.table_commands import TableCommand, TargetLeg
from ledger.store.leases import OWN, read
from ledger.store.rounds import Written
from ledger.store.statements import DROPPED, LEASE

# The same type of broadcast to the same target is sent once in this time.
SUPPRESSED_FOR = timedelta(seconds=10)

# A target that was told the same a moment ago is left out; with none left nothing is written at all.
_WRITE = f"""
WITH target AS (
    SELECT *, EXISTS (SELECT FROM deliveries e WHERE e.environment = t.environment
                        AND e.game_code = t.game_code AND e.state = 'sending') AS busy
    FROM unnest($9::text[], $10::text[], $11::int[], $12::bool[], $13::interval[])
         AS t(environment, game_code, config_version, required, lease)
    WHERE $14::text IS NULL OR NOT EXISTS (
        SELECT FROM deliveries e
        WHERE e.environment = t.environment AND e.game_code = t.game_code AND e.leg_id IS NULL
          AND e.kind = $3 AND e.body -> 'metadata' ->> 'signalType' = $14
          AND e.created_at > clock_timestamp() - $15::interval
          AND e.state <> 'rejected' AND NOT (e.state = 'expired' AND e.outcome = 'not_sent'))
), new_command AS (
    INSERT INTO commands (id, table_id, kind, body, actor, trace_id, deadline_at)
    SELECT $1, $2, $3, $4, $5, $6, clock_timestamp() + $7::interval
    WHERE EXISTS (SELECT FROM target)
), undone AS (
    UPDATE deliveries d
    SET state = 'superseded', settled_at = clock_timestamp(), code = 'overtaken',
        detail = 'A later command of the table made this pointless.'
    FROM target t
    WHERE d.environment = t.environment AND d.game_code = t.game_code AND d.leg_id IS NULL
      AND d.kind = ANY($8) AND d.state IN ('pending', 'unknown')
    RETURNING d.*
), event AS (
    INSERT INTO events (round_id, table_id, environment, type, data) {DROPPED.format("undone")}
), written AS (
    INSERT INTO deliveries (id, command_id, table_id, environment, game_code, config_version, required,
                            kind, rank, body, state, token, lease_until, due_at, deadline_at)
    SELECT left($1, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)), $1, $2, environment, game_code, config_version, required,
           $3, {Kind.PAUSE.rank}, $4,
           CASE WHEN busy THEN 'pending' ELSE 'sending' END,
           CASE WHEN NOT busy THEN gen_random_uuid() END,
           CASE WHEN NOT busy THEN clock_timestamp() + lease END,
           clock_timestamp(), clock_timestamp() + $7::interval
    FROM target
    RETURNING *
)
SELECT {LEASE}, {OWN}, false AS overtaken,
       (SELECT array_agg(DISTINCT command_id) FROM undone) AS undone
FROM written d LEFT JOIN legs l ON l.id = d.leg_id
"""

_READ = """
SELECT c.id AS command_id, c.table_id, c.kind, d.environment, d.game_code, d.required, d.state, d.outcome,
       d.code, d.detail, d.attempts, d.latency_ms,
       CASE WHEN d.settled_at IS NULL THEN greatest(d.due_at, d.lease_until) END AS next_at
FROM commands c JOIN deliveries d ON d.command_id = c.id
WHERE c.id = $1 AND c.round_id IS NULL ORDER BY d.seq
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a table, by whom, and until when it makes sense."""

    id: str
    table: str
    kind: Kind
    body: dict[str, object]
    actor: str
    trace_id: str | None
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class NewTarget:
    """A target that is asked, with the time its lease takes."""

    mirror: Mirror
    lease: timedelta


@dataclass(frozen=True, slots=True)
class Ordered:
    """What an order left in the ledger, and the earlier commands it made pointless."""

    written: Written
    undone: tuple[str, ...]


async def write(conn: Connection, order: Order, targets: Sequence[NewTarget]) -> Ordered | None:
    """Write a delivery for each target; None when all have been told the same just now."""
    signal = _signal(order)
    async with conn.transaction():
        if signal is not None:
            # Of two that say the same at once, the second has to see the first.
            await conn.execute(
                "SELECT pg_advisory_xact_lock(hashtext('pitboss_broadcast'), hashtext($1))",
                order.table,
            )
        rows = await conn.fetch(
            _WRITE,
            order.id,
            order.table,
            order.kind,
            order.body,
            order.actor,
            order.trace_id,
            order.deadline,
            list(order.kind.undoes),
            [one.mirror.environment.environment for one in targets],
            [one.mirror.target.id for one in targets],
            [one.mirror.version for one in targets],
            [one.mirror.required for one in targets],
            [one.lease for one in targets],
            signal,
            SUPPRESSED_FOR,
        )
    return _ordered([dict(row) for row in rows]) if rows else None


async def get(conn: Connection, command_id: str) -> TableCommand | None:
    rows = await conn.fetch(_READ, command_id)
    if not rows:
        return None
    first = rows[0]
    legs = tuple(_leg(row) for row in rows)
    return TableCommand(first["command_id"], first["table_id"], Kind(first["kind"]), legs)


async def last_like(conn: Connection, order: Order) -> str | None:
    """Give the newest command that says what this one says."""
    return cast(
        "str | None",
        await conn.fetchval(
            """SELECT id FROM commands
               WHERE table_id = $1 AND round_id IS NULL AND kind = $2
                 AND body -> 'metadata' ->> 'signalType' = $3
               ORDER BY id DESC LIMIT 1""",
            order.table,
            order.kind,
            _signal(order),
        ),
    )


def _ordered(rows: list[dict[str, Any]]) -> Ordered:
    undone = tuple(rows[0]["undone"] or ())
    pairs = []
    for row in rows:
        row.pop("undone")
        pairs.append((row["state"], read(row)))
    leases = tuple(lease for state, lease in pairs if state == "sending")
    waiting = frozenset(lease.environment for state, lease in pairs if state == "pending")
    return Ordered(Written(leases, waiting), undone)


def _signal(order: Order) -> str | None:
    """Give what makes two broadcasts the same; nothing else is ever held back."""
    if order.kind is not Kind.BROADCAST:
        return None
    return str(cast("dict[str, object]", order.body["metadata"])["signalType"])


def _leg(row: Any) -> TargetLeg:
    last = Last(
        command=row["kind"],
        command_id=row["command_id"],
        state=row["state"],
        outcome=row["outcome"],
        code=row["code"],
        detail=row["detail"],
        attempts=row["attempts"],
        latency_ms=row["latency_ms"],
        next_attempt_at=row["next_at"],
    )
    return TargetLeg(row["environment"], row["game_code"], row["required"], last)
