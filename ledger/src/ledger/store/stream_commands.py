"""Commands that came by the stream: accepted in order, taken table by table, answered once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fleetkit.database import Connection

KEPT: Final = timedelta(hours=24)
PURGED_AT_ONCE: Final = 5000

_OF_ROUNDS: Final = "('bet-stop', 'result', 'finish', 'cancel')"

# Without a round of its own it means the one it meant when it came before, else that of the last start that came this
# way: no round at all if that start was refused, so that nothing meant for it reaches the round before.
_TAKE: Final = f"""
UPDATE stream_commands c
   SET taken_until = clock_timestamp() + make_interval(secs => c.wait_ms / 1000.0) + $1::interval,
       round_id = CASE WHEN c.round_id IS NULL AND c.command IN {_OF_ROUNDS} THEN coalesce(
           (SELECT e.round_id FROM stream_commands e
             WHERE e.key_hash = c.key_hash AND e.key = c.key AND e.sequence < c.sequence
             ORDER BY e.sequence DESC LIMIT 1),
           (SELECT s.round_id FROM stream_commands s
             WHERE s.table_id = c.table_id AND s.command = 'start' AND s.sequence < c.sequence
             ORDER BY s.sequence DESC LIMIT 1)) ELSE c.round_id END
"""

_TAKEN: Final = """
RETURNING c.sequence, c.entry_id, c.table_id, c.command, c.round_id, c.body, c.key, c.key_hash, c.lay_ms,
          clock_timestamp() - c.accepted_at AS age,
          (SELECT r.table_id FROM rounds r WHERE r.id = c.round_id) AS round_table
"""

_IS_FREE: Final = "(taken_until IS NULL OR taken_until < clock_timestamp())"

# The tables with work are found by jumping from one to the next: the backlog of one costs nothing.
_TAKE_HEADS: Final = f"""
WITH RECURSIVE waiting AS (
    (SELECT table_id FROM stream_commands WHERE status IS NULL ORDER BY table_id LIMIT 1)
    UNION ALL
    SELECT (SELECT s.table_id FROM stream_commands s
             WHERE s.status IS NULL AND s.table_id > w.table_id ORDER BY s.table_id LIMIT 1)
      FROM waiting w WHERE w.table_id IS NOT NULL
), heads AS (
    SELECT h.sequence
      FROM waiting w CROSS JOIN LATERAL (
          SELECT s.sequence, s.taken_until FROM stream_commands s
           WHERE s.status IS NULL AND s.table_id = w.table_id ORDER BY s.sequence LIMIT 1) h
     WHERE {_IS_FREE} ORDER BY h.sequence LIMIT $2
), free AS (
    SELECT sequence FROM stream_commands
     WHERE sequence IN (SELECT sequence FROM heads) AND status IS NULL AND {_IS_FREE}
       FOR UPDATE SKIP LOCKED
)
{_TAKE} FROM free WHERE c.sequence = free.sequence {_TAKEN}
"""

_TAKE_NEXT: Final = f"""
WITH head AS (
    SELECT sequence, taken_until FROM stream_commands
     WHERE status IS NULL AND table_id = $2 ORDER BY sequence LIMIT 1
), free AS (
    SELECT sequence FROM stream_commands
     WHERE sequence IN (SELECT sequence FROM head) AND status IS NULL AND {_IS_FREE}
       FOR UPDATE SKIP LOCKED
)
{_TAKE} FROM free WHERE c.sequence = free.sequence {_TAKEN}
"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is written of a command before it is acknowledged."""

    entry_id: str
    table_id: str
    command: str
    round_id: str | None
    body: bytes
    wait_ms: int
    key: str
    key_hash: bytes
    lay_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A command whose turn it is, for whoever took it."""

    sequence: int
    entry_id: str
    table_id: str
    command: str
    round_id: str | None
    body: bytes
    key: str
    key_hash: bytes
    lay_ms: int
    age: timedelta
    round_table: str | None


@dataclass(frozen=True, slots=True)
class Unreplied:
    """An answer that is not known to be on its way."""

    sequence: int
    entry_id: str
    table_id: str
    command: str
    key: str
    status: int
    answer: bytes


async def accept(conn: Connection, commands: Sequence[Accepted]) -> None:
    """Write them in order; those that are there already stay as they are."""
    await conn.execute(
        """INSERT INTO stream_commands
               (entry_id, table_id, command, round_id, body, wait_ms, key, key_hash, lay_ms)
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[],
                                $6::integer[], $7::text[], $8::bytea[], $9::bigint[])
           ON CONFLICT (entry_id) DO NOTHING""",
        [one.entry_id for one in commands],
        [one.table_id for one in commands],
        [one.command for one in commands],
        [one.round_id for one in commands],
        [one.body for one in commands],
        [one.wait_ms for one in commands],
        [one.key for one in commands],
        [one.key_hash for one in commands],
        [one.lay_ms for one in commands],
    )


async def take(conn: Connection, *, most: int, grace: timedelta) -> list[Taken]:
    """Take the first command of so many tables nobody works at, the longest waiting first."""
    rows = await conn.fetch(_TAKE_HEADS, grace, most)
    return [Taken(**dict(row)) for row in rows]


async def take_next(conn: Connection, table: str, *, grace: timedelta) -> Taken | None:
    row = await conn.fetchrow(_TAKE_NEXT, grace, table)
    return None if row is None else Taken(**dict(row))


async def put_back(conn: Connection, sequence: int, *, after: timedelta) -> None:
    """Let it be taken again a moment from now."""
    await conn.execute(
        """UPDATE stream_commands SET taken_until = clock_timestamp() + $2::interval
           WHERE sequence = $1 AND status IS NULL""",
        sequence,
        after,
    )


async def answer(
    conn: Connection, sequence: int, *, status: int, body: bytes, round_id: str | None
) -> bool:
    """Answer it; of several who do, one does."""
    return bool(
        await conn.fetchval(
            """UPDATE stream_commands
               SET status = $2, answer = $3, round_id = coalesce(round_id, $4),
                   answered_at = clock_timestamp(), taken_until = NULL
               WHERE sequence = $1 AND status IS NULL RETURNING true""",
            sequence,
            status,
            body,
            round_id,
        )
    )


async def unreplied(conn: Connection, *, most: int) -> list[Unreplied]:
    """Lock the oldest answers to be sent that nobody else is sending."""
    rows = await conn.fetch(
        """SELECT sequence, entry_id, table_id, command, key, status, answer FROM stream_commands
           WHERE status IS NOT NULL AND replied_at IS NULL
           ORDER BY sequence LIMIT $1 FOR UPDATE SKIP LOCKED""",
        most,
    )
    return [Unreplied(**dict(row)) for row in rows]


async def replied(conn: Connection, sequences: Sequence[int]) -> None:
    await conn.execute(
        "UPDATE stream_commands SET replied_at = clock_timestamp() WHERE sequence = ANY($1)",
        list(sequences),
    )


async def waiting(conn: Connection) -> int:
    """Count what was accepted and not answered."""
    return int(await conn.fetchval("SELECT count(*) FROM stream_commands WHERE status IS NULL"))


async def purge(conn: Connection) -> None:
    await conn.execute(
        """DELETE FROM stream_commands WHERE sequence IN (
               SELECT sequence FROM stream_commands
               WHERE replied_at < clock_timestamp() - $1::interval LIMIT $2)""",
        KEPT,
        PURGED_AT_ONCE,
    )
