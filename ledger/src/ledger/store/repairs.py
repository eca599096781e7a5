"""Repairs: deliveries listed, sent again, skipped, or a leg cancelled by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fleetkit.database import Connection
from ledger.domain.commands import Kind
from ledger.domain.repairs import Listed
from ledger.domain.rounds import UNSETTLED
from ledger.store.alerts import clearing
from ledger.store.statements import DROPPED

# Where a delivery may still be mended. What is in flight is nobody's to touch.
_MENDABLE = "('pending', 'unknown', 'rejected', 'expired', 'superseded')"

_BY: Final = {"command": "$2", "actor": "$3", "reason": "$4"}
_RETRIED: Final = clearing("retried", "id = ANY($1)", **_BY)
_SKIPPED: Final = clearing("skipped", "leg_id = ANY($1)", **_BY)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries to list, oldest first; what is only scheduled is not due and no trouble."""

    states: tuple[str, ...] | None = None
    environment: str | None = None
    table: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    limit: int = 100
    tables: frozenset[str] | None = None
    environments: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """Who mends, and why."""

    command: str
    actor: str
    reason: str | None


async def find(conn: Connection, wanted: Filter) -> list[Listed]:
    # Said twice, so that the index of the few unsettled ones serves and not the whole table.
    unsettled = (
        "AND d.settled_at IS NULL" if wanted.states and UNSETTLED.issuperset(wanted.states) else ""
    )
    rows = await conn.fetch(
        f"""SELECT d.id, d.round_id, d.table_id, d.environment, d.game_code, d.kind, d.state, d.outcome,
                  d.code, d.detail, d.attempts, d.created_at,
                  CASE WHEN d.settled_at IS NULL THEN d.due_at END AS due_at, r.state AS round_state
           FROM deliveries d LEFT JOIN rounds r ON r.id = d.round_id
           WHERE NOT d.scheduled {unsettled} AND ($1::text[] IS NULL OR d.state = ANY($1))
             AND ($2::text IS NULL OR d.environment = $2)
             AND ($3::text IS NULL OR d.table_id = $3)
             AND ($4::timestamptz IS NULL OR d.created_at >= $4)
             AND ($5::timestamptz IS NULL OR d.created_at < $5)
             AND ($6::text IS NULL OR d.id > $6)
             AND ($8::text[] IS NULL OR d.table_id = ANY($8))
             AND ($9::text[] IS NULL OR d.environment = ANY($9))
           ORDER BY d.id LIMIT $7""",
        list(wanted.states) if wanted.states else None,
        wanted.environment,
        wanted.table,
        wanted.since,
        wanted.until,
        wanted.after,
        wanted.limit,
        None if wanted.tables is None else list(wanted.tables),
        None if wanted.environments is None else list(wanted.environments),
    )
    return [Listed(**dict(row)) for row in rows]


async def reopen(conn: Connection, ids: Sequence[str], repair: Repair) -> list[str]:
    """Make deliveries due now, looking first; what they held up follows them. Give their commands."""
    rows = await conn.fetch(
        f"""WITH again AS (
                UPDATE deliveries d
                SET state = CASE WHEN d.attempts > 0 OR d.look THEN 'unknown' ELSE 'pending' END,
                    look = d.look OR d.attempts > 0, settled_at = NULL, scheduled = false, due_at = now(),
                    deadline_at = CASE d.kind WHEN 'start' THEN now() + interval '3 seconds'
                                  ELSE greatest(d.deadline_at, now() + interval '24 hours') END
                WHERE d.id = ANY($1) AND d.state IN {_MENDABLE}
                RETURNING d.*
            ), opened AS (
                UPDATE legs l SET state = 'pending' FROM again
                WHERE l.id = again.leg_id AND again.kind = 'start' AND l.state = 'failed'
            ), event AS (
                INSERT INTO events (round_id, table_id, environment, type, data)
                SELECT round_id, table_id, environment, 'leg.retried',
                       jsonb_build_object('delivery', id, 'kind', kind, 'environment', environment,
                                          'game_code', game_code, 'command', $2::text, 'actor', $3::text,
                                          'reason', $4::text, 'state', state)
                FROM again
            )
            SELECT id, command_id FROM again""",
        list(ids),
        repair.command,
        repair.actor,
        repair.reason,
    )
    # A statement of its own: what the one before had to wait for is to be seen.
    await conn.execute(
        _RETRIED, [row["id"] for row in rows], repair.command, repair.actor, repair.reason
    )
    return [row["command_id"] for row in rows]


async def skip(conn: Connection, ids: Sequence[str], repair: Repair) -> int:
    """Settle deliveries by decision: nothing more is sent for them."""
    rows = await conn.fetch(
        f"""WITH done AS (
                UPDATE deliveries SET state = 'skipped', outcome = 'skipped', code = 'skipped', detail = $4,
                                      settled_at = clock_timestamp(), scheduled = false
                WHERE id = ANY($1) AND state IN {_MENDABLE} RETURNING *
            ), failed AS (
                UPDATE legs l SET state = 'failed' FROM done
                WHERE l.id = done.leg_id AND done.kind = 'start' AND l.state = 'pending'
            ), event AS (
                INSERT INTO events (round_id, table_id, environment, type, data)
                SELECT round_id, table_id, environment, 'leg.skipped',
                       jsonb_build_object('delivery', id, 'kind', kind, 'environment', environment,
                                          'game_code', game_code, 'command', $2::text, 'actor', $3::text,
                                          'reason', $4::text, 'state', state)
                FROM done
            )
            SELECT leg_id FROM done""",
        list(ids),
        repair.command,
        repair.actor,
        repair.reason,
    )
    legs = [row["leg_id"] for row in rows]
    await conn.execute(_SKIPPED, legs, repair.command, repair.actor, repair.reason)
    return len(rows)


async def cancel_leg(conn: Connection, leg_id: int, repair: Repair) -> bool:
    """Cancel the round on one leg: what was not sent is superseded, the cancel is due now."""
    return bool(
        await conn.fetchval(
            f"""WITH leg AS (
                    SELECT l.*, r.table_id FROM legs l JOIN rounds r ON r.id = l.round_id
                    WHERE l.id = $1 AND l.state NOT IN ('finished', 'cancelled')
                ), command AS (
                    INSERT INTO commands (id, round_id, table_id, kind, body, actor, deadline_at)
                    SELECT $2, round_id, table_id, 'cancel-leg', jsonb_build_object('reason', $4::text), $3,
                           now() + interval '24 hours' FROM leg
                ), overtaken AS (
                    UPDATE deliveries d SET state = 'superseded', settled_at = clock_timestamp(),
                           code = 'cancelled', detail = 'The leg was cancelled before this was sent.'
                    FROM leg WHERE d.leg_id = leg.id AND d.state IN ('pending', 'unknown')
                               AND d.kind <> 'cancel'
                    RETURNING d.*
                ), dropped AS (
                    INSERT INTO events (round_id, table_id, environment, type, data)
                    {DROPPED.format("overtaken")}
                ), unopened AS (
                    UPDATE legs l SET state = 'failed' FROM overtaken
                    WHERE l.id = overtaken.leg_id AND overtaken.kind = 'start' AND l.state = 'pending'
                ), written AS (
                    INSERT INTO deliveries (id, command_id, round_id, leg_id, table_id, environment,
                                            game_code, kind, rank, body, state, look, due_at, deadline_at)
                    SELECT left($2, 10) || upper(right(replace(gen_random_uuid()::text, '-', ''), 16)), $2,
                           round_id, id, table_id, environment, game_code, 'cancel', {Kind.CANCEL.rank},
                           jsonb_build_object('reason', $4::text), 'pending', true, now(),
                           now() + interval '24 hours'
                    FROM leg
                    ON CONFLICT (leg_id, kind) WHERE leg_id IS NOT NULL DO NOTHING
                    RETURNING *
                ), cleared AS (
                    {clearing("cancelled", "leg_id IN (SELECT leg_id FROM written)", **_BY)}
                ), event AS (
                    INSERT INTO events (round_id, table_id, environment, type, data)
                    SELECT round_id, table_id, environment, 'leg.cancelled',
                           jsonb_build_object('delivery', id, 'environment', environment, 'kind', 'cancel',
                                              'game_code', game_code, 'command', $2::text,
                                              'actor', $3::text, 'reason', $4::text)
                    FROM written
                )
                SELECT EXISTS (SELECT FROM written)""",
            leg_id,
            repair.command,
            repair.actor,
            repair.reason,
        )
    )


@dataclass(frozen=True, slots=True)
class Mendable:
    """A leg and its deliveries, in their order."""

    leg_id: int
    leg_state: str
    round_state: str
    deliveries: tuple[Listed, ...]


async def leg(conn: Connection, round_id: str, environment: str, game_code: str) -> Mendable | None:
    rows = await conn.fetch(
        """SELECT l.id AS leg_id, l.state AS leg_state, r.state AS round_state, d.id, d.round_id,
                  d.table_id, d.environment, d.game_code, d.kind, d.state, d.outcome, d.code, d.detail,
                  d.attempts, d.created_at, d.due_at
           FROM legs l JOIN rounds r ON r.id = l.round_id JOIN deliveries d ON d.leg_id = l.id
                AND NOT d.scheduled
           WHERE l.round_id = $1 AND l.environment = $2 AND l.game_code = $3
           ORDER BY d.rank""",
        round_id,
        environment,
        game_code,
    )
    if not rows:
        return None
    records = [dict(row) for row in rows]
    found = [(r.pop("leg_id"), r.pop("leg_state"), r) for r in records]
    return Mendable(
        leg_id=found[0][0],
        leg_state=found[0][1],
        round_state=records[0]["round_state"],
        deliveries=tuple(Listed(**record) for _, _, record in found),
    )
