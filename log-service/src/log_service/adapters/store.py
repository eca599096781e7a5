"""Lines in Postgres: written many at a time, each once; found by what is asked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fleetkit.database import Connection
from log_service.domain.lines import ERRORS, Stored
from log_service.domain.searches import Search

_WRITE: Final = """
WITH fresh AS (
    INSERT INTO logs (at, id, received_at, device_id, level, service, trace_id, message, metadata)
    SELECT at, id, received, device, level, service, trace, message, metadata::jsonb
    FROM unnest($1::timestamptz[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[])
         AS t (at, id, received, device, level, service, trace, message, metadata)
    ON CONFLICT DO NOTHING
    RETURNING at, device_id, level, service
), seen AS (
    INSERT INTO devices AS d (device_id, first_seen_at, last_seen_at, lines, errors, last_level, service)
    SELECT device_id, min(at), max(at), count(*), count(*) FILTER (WHERE level IN ('error', 'critical')),
           (array_agg(level ORDER BY at DESC))[1], (array_agg(service ORDER BY at DESC))[1]
    FROM fresh GROUP BY device_id ORDER BY device_id
    ON CONFLICT (device_id) DO UPDATE SET
        first_seen_at = least(d.first_seen_at, excluded.first_seen_at),
        last_level = CASE WHEN excluded.last_seen_at >= d.last_seen_at THEN excluded.last_level ELSE d.last_level END,
        service = CASE WHEN excluded.last_seen_at >= d.last_seen_at THEN excluded.service ELSE d.service END,
        last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
        lines = d.lines + excluded.lines,
        errors = d.errors + excluded.errors
), counted AS (
    INSERT INTO log_statistics AS s (hour, device_id, service, level, lines)
    SELECT date_trunc('hour', at, 'UTC') AS hour, device_id, coalesce(service, '') AS service, level, count(*)
    FROM fresh GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (hour, device_id, service, level) DO UPDATE SET lines = s.lines + excluded.lines
)
SELECT count(*) FROM fresh
"""

_COLUMNS: Final = "at, id, received_at, device_id, level, service, trace_id, message, metadata"
_MOST_DEVICES: Final = 100


async def write(conn: Connection, lines: Sequence[Stored]) -> int:
    """Write what is not there yet, with the counts of it; give how many that was."""
    rows = [one.line for one in lines]
    written: int = await conn.fetchval(
        _WRITE,
        [row.at for row in rows],
        [one.id for one in lines],
        [one.received_at for one in lines],
        [row.device_id for row in rows],
        [row.level for row in rows],
        [row.service for row in rows],
        [row.trace_id for row in rows],
        [row.message for row in rows],
        [row.metadata for row in rows],
    )
    return written


async def make_day(conn: Connection, day: datetime) -> bool:
    """Make the partition of a day, unless it is there."""
    made: bool = await conn.fetchval("SELECT make_log_day($1)", day.date())
    return made


async def drop_days(conn: Connection, before: datetime) -> list[str]:
    rows = await conn.fetch("SELECT drop_log_days($1)", before.date())
    return [row[0] for row in rows]


async def find(conn: Connection, search: Search) -> list[dict[str, Any]]:
    """Give one more line than a page has, if there is one."""
    values: list[object] = []

    def put(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    wanted = search.filter
    terms = [
        f"{column} = {put(value)}"
        for column, value in (
            ("device_id", wanted.device_id),
            ("service", wanted.service),
            ("trace_id", wanted.trace_id),
        )
        if value is not None
    ]
    if wanted.levels:
        one = len(wanted.levels) == 1
        terms.append(
            f"level = {put(wanted.levels[0])}" if one else f"level = ANY ({put([*wanted.levels])})"
        )
    if wanted.q is not None:
        terms.append(
            f"to_tsvector('simple', message) @@ websearch_to_tsquery('simple', {put(wanted.q)})"
        )
    if wanted.metadata is not None:
        terms.append(f"metadata @> {put(wanted.metadata)}::text::jsonb")
    if search.since is not None:
        terms.append(f"at >= {put(search.since)}")
    if search.until is not None:
        terms.append(f"at < {put(search.until)}")
    way, beyond = ("", ">") if search.oldest_first else ("DESC", "<")
    if search.after is not None:
        at = put(search.after.at)
        terms.append(f"at {beyond}= {at} AND (at, id) {beyond} ({at}, {put(search.after.id)})")
    where = f"WHERE {' AND '.join(terms)}" if terms else ""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM logs {where} ORDER BY at {way}, id {way} LIMIT {put(search.limit + 1)}",
        *values,
    )
    return [dict(row) for row in rows]


async def count(
    conn: Connection,
    *,
    since: datetime,
    until: datetime,
    device_id: str | None,
    service: str | None,
) -> dict[str, list[dict[str, Any]]]:
    """Count by level, device and hour; hours count whole."""
    where = """WHERE hour >= date_trunc('hour', $1::timestamptz, 'UTC') AND hour < $2
               AND ($3::text IS NULL OR device_id = $3) AND ($4::text IS NULL OR service = $4)"""
    errors = f"sum(lines) FILTER (WHERE level = ANY ('{{{','.join(ERRORS)}}}'))"
    sums = f"sum(lines)::bigint AS lines, coalesce({errors}, 0)::bigint AS errors"
    asked = (since, until, device_id, service)
    levels = await conn.fetch(
        f"SELECT level, sum(lines)::bigint AS lines FROM log_statistics {where} GROUP BY level",
        *asked,
    )
    devices = await conn.fetch(
        f"""SELECT device_id, {sums} FROM log_statistics {where}
            GROUP BY device_id ORDER BY 2 DESC, 1 LIMIT {_MOST_DEVICES}""",
        *asked,
    )
    hours = await conn.fetch(
        f"SELECT hour, {sums} FROM log_statistics {where} GROUP BY hour ORDER BY hour", *asked
    )
    found = {"levels": levels, "devices": devices, "hours": hours}
    return {name: [dict(row) for row in rows] for name, rows in found.items()}


async def devices(conn: Connection, *, after: str | None, limit: int) -> list[dict[str, Any]]:
    """Give devices by name, one more than a page has, if there is one."""
    rows = await conn.fetch(
        """SELECT device_id, first_seen_at, last_seen_at, lines, errors, last_level, service FROM devices
           WHERE $1::text IS NULL OR device_id > $1 ORDER BY device_id LIMIT $2""",
        after,
        limit + 1,
    )
    return [dict(row) for row in rows]
