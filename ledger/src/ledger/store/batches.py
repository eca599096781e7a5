"""Batches: written with all their tables before anything is begun, owned by one gateway at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from fleetkit.database import Connection
from ledger.domain.batches import Batch, Item, Order
from ledger.domain.commands import Kind

# How long a gateway that says nothing is taken for the owner of its batches.
LEASE = timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class Held:
    """What whoever owns a batch is told when it says so again."""

    cancelled: bool


async def write(
    conn: Connection,
    order: Order,
    items: Sequence[Item],
    *,
    time: timedelta,
    owner: str,
    lease: timedelta,
) -> bool:
    """Write a batch whole; False when one of this id stands already."""
    return bool(
        await conn.fetchval(
            """WITH batch AS (
                   INSERT INTO batches (id, command, body, actor, environments, max_concurrent, wait_ms,
                                        deadline_at, owner, lease_until)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + $8::interval, $9,
                           clock_timestamp() + $10::interval)
                   ON CONFLICT (id) DO NOTHING RETURNING id
               ), item AS (
                   INSERT INTO batch_tables (batch_id, position, table_id, command_id, round_id, state, code,
                                             detail, finished_at)
                   SELECT batch.id, i.*, CASE WHEN i.state <> 'waiting' THEN clock_timestamp() END
                   FROM batch, unnest($11::int[], $12::text[], $13::text[], $14::text[], $15::text[],
                                      $16::text[], $17::text[])
                       AS i(position, table_id, command_id, round_id, state, code, detail)
               )
               SELECT true FROM batch""",
            order.id,
            order.command,
            dict(order.body),
            order.actor,
            list(order.environments) if order.environments is not None else None,
            order.max_concurrent,
            order.wait_ms,
            time,
            owner,
            lease,
            [item.position for item in items],
            [item.table for item in items],
            [item.command_id for item in items],
            [item.round_id for item in items],
            [item.state for item in items],
            [item.code for item in items],
            [item.detail for item in items],
        )
    )


async def get(conn: Connection, batch_id: str) -> Batch | None:
    """Read a batch with all its tables, at one moment."""
    rows = await conn.fetch(
        """SELECT b.*, i.position, i.table_id, i.command_id, i.round_id, i.state, i.status, i.code,
                  i.detail, i.begun_at, i.finished_at AS item_finished_at
           FROM batches b JOIN batch_tables i ON i.batch_id = b.id
           WHERE b.id = $1 ORDER BY i.position""",
        batch_id,
    )
    return _batch(rows) if rows else None


async def record(
    conn: Connection, batch_id: str, items: Sequence[Item], *, owner: str, lease: timedelta
) -> Held | None:
    """Keep what became of tables, and the batch for a while longer; None when it is another's."""
    row = await conn.fetchrow(
        """WITH batch AS (
               UPDATE batches SET lease_until = clock_timestamp() + $3::interval
               WHERE id = $1 AND owner = $2 AND finished_at IS NULL
               RETURNING id, cancelled_at
           ), item AS (
               UPDATE batch_tables t
               SET state = i.state, round_id = coalesce(i.round_id, t.round_id), status = i.status,
                   code = i.code, detail = i.detail, begun_at = coalesce(i.begun_at, t.begun_at),
                   finished_at = CASE WHEN i.state NOT IN ('waiting', 'running') THEN clock_timestamp() END
               FROM batch, unnest($4::int[], $5::text[], $6::text[], $7::smallint[], $8::text[], $9::text[],
                                  $10::timestamptz[])
                   AS i(position, state, round_id, status, code, detail, begun_at)
               WHERE t.batch_id = batch.id AND t.position = i.position AND t.finished_at IS NULL
           )
           SELECT cancelled_at IS NOT NULL AS cancelled FROM batch""",
        batch_id,
        owner,
        lease,
        [item.position for item in items],
        [item.state for item in items],
        [item.round_id for item in items],
        [item.status for item in items],
        [item.code for item in items],
        [item.detail for item in items],
        [item.begun_at for item in items],
    )
    return Held(cancelled=row["cancelled"]) if row else None


async def finish(conn: Connection, batch_id: str, *, owner: str) -> None:
    await conn.execute(
        """UPDATE batches SET finished_at = clock_timestamp()
           WHERE id = $1 AND owner = $2 AND finished_at IS NULL""",
        batch_id,
        owner,
    )


async def cancel(conn: Connection, batch_id: str) -> None:
    """Ask that nothing more is begun; nothing when it is over already."""
    await conn.execute(
        """UPDATE batches SET cancelled_at = clock_timestamp()
           WHERE id = $1 AND finished_at IS NULL AND cancelled_at IS NULL""",
        batch_id,
    )


async def release(conn: Connection, owner: str) -> None:
    """Let others take over at once what this gateway leaves."""
    await conn.execute(
        """UPDATE batches SET lease_until = clock_timestamp()
           WHERE owner = $1 AND finished_at IS NULL""",
        owner,
    )


async def take_over(conn: Connection, *, owner: str, lease: timedelta) -> list[str]:
    """Take the batches whose owner says nothing any more; of several that try, one gets each."""
    rows = await conn.fetch(
        """UPDATE batches SET owner = $1, lease_until = clock_timestamp() + $2::interval
           WHERE id IN (SELECT id FROM batches WHERE finished_at IS NULL AND lease_until < clock_timestamp()
                        ORDER BY id FOR UPDATE SKIP LOCKED)
           RETURNING id""",
        owner,
        lease,
    )
    return sorted(row[0] for row in rows)


async def written(conn: Connection, command_ids: Sequence[str]) -> dict[str, str | None]:
    """Tell which of these commands the ledger has, and their rounds."""
    rows = await conn.fetch(
        "SELECT id, round_id FROM commands WHERE id = ANY($1)", list(command_ids)
    )
    return {row["id"]: row["round_id"] for row in rows}


async def purge(conn: Connection, *, older_than: timedelta) -> None:
    await conn.execute(
        "DELETE FROM batches WHERE finished_at < clock_timestamp() - $1::interval", older_than
    )


def _batch(rows: Sequence[Any]) -> Batch:
    first = rows[0]
    return Batch(
        order=Order(
            id=first["id"],
            command=Kind(first["command"]),
            body=cast("dict[str, object]", first["body"]),
            actor=first["actor"],
            environments=None if first["environments"] is None else tuple(first["environments"]),
            max_concurrent=first["max_concurrent"],
            wait_ms=first["wait_ms"],
        ),
        created_at=first["created_at"],
        deadline_at=first["deadline_at"],
        cancelled_at=first["cancelled_at"],
        finished_at=first["finished_at"],
        items=tuple(
            Item(
                position=row["position"],
                table=row["table_id"],
                command_id=row["command_id"],
                round_id=row["round_id"],
                state=row["state"],
                status=row["status"],
                code=row["code"],
                detail=row["detail"],
                begun_at=row["begun_at"],
                finished_at=row["item_finished_at"],
            )
            for row in rows
        ),
    )


@dataclass(frozen=True, slots=True)
class OpenRound:
    """The open round of a table: what a batch's later commands are meant for."""

    id: str
    type: str
    environments: tuple[str, ...]


async def open_rounds(conn: Connection, tables: Sequence[str]) -> dict[str, OpenRound]:
    rows = await conn.fetch(
        """SELECT r.table_id, r.id, r.type, array_agg(DISTINCT l.environment) AS environments
           FROM rounds r JOIN legs l ON l.round_id = r.id
           WHERE r.table_id = ANY($1) AND r.state IN ('open', 'dealt') GROUP BY r.id""",
        list(tables),
    )
    return {
        row["table_id"]: OpenRound(row["id"], row["type"], tuple(row["environments"]))
        for row in rows
    }
