"""The past in Postgres: rollups made from what is stored, and read at the step that is asked for."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fleetkit.database import Connection, Database
from metrics_service.domain.sketches import Sketch
from metrics_service.domain.windows import Bucket

MINUTE: Final = 60
STEPS: Final = (300, 3600)
AT_ONCE: Final = 2_000
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('pitboss_metrics_rollups'))"
_FIGURES: Final = "service_name, api_endpoint, total_requests, errors, total_ms, sketch"
_STORE: Final = """
INSERT INTO metrics_rollups (resolution_s, timestamp, service_name, api_endpoint, total_requests, errors, total_ms, sketch)
SELECT $1, * FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::float8[], $8::bytea[])
ON CONFLICT (service_name, api_endpoint, resolution_s, timestamp) DO UPDATE
   SET total_requests = excluded.total_requests, errors = excluded.errors, total_ms = excluded.total_ms,
       sketch = excluded.sketch
"""

Slot = tuple[int, str, str]


class History:
    """What was, by service and endpoint."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self) -> None:
        """Make the partitions that will be needed, and end what is past its time."""
        async with self._database.connection() as conn:
            await conn.execute("SELECT keep_metrics()")

    async def roll(self) -> int:
        """Bring the rollups up to what is stored; give how many minutes were behind.

        Under a lock, so that one instance does it: the others find nothing to do.
        """
        async with self._database.transaction() as conn:
            if not await conn.fetchval(_LOCK):
                return 0
            rows = await conn.fetch(
                """DELETE FROM metrics_unrolled u USING (
                       SELECT minute, service_name, api_endpoint FROM metrics_unrolled
                        ORDER BY minute LIMIT $1) AS w
                    WHERE (u.minute, u.service_name, u.api_endpoint)
                        = (w.minute, w.service_name, w.api_endpoint)
                RETURNING u.minute, u.service_name, u.api_endpoint""",
                AT_ONCE,
            )
            behind = {
                (int(row["minute"].timestamp()), row["service_name"], row["api_endpoint"])
                for row in rows
            }
            if behind:
                await _roll(conn, behind, 0, MINUTE)
                for below, step in zip((MINUTE, *STEPS), STEPS, strict=False):
                    await _roll(conn, behind, below, step)
        return len(behind)

    async def read(
        self, service: str, endpoint: str | None, *, since: datetime, until: datetime, step: int
    ) -> dict[int, Bucket]:
        """Give the buckets of a stretch, each of `step` seconds, from the coarsest that fits."""
        level = max((one for one in (*STEPS, MINUTE) if step % one == 0), default=0)
        async with self._database.connection() as conn:
            rows = await conn.fetch(
                f"""SELECT timestamp, {_FIGURES} FROM {_table(level)}
                     WHERE {_level(level)} service_name = $1 AND ($2::text IS NULL OR api_endpoint = $2)
                       AND timestamp >= $3 AND timestamp < $4""",
                service,
                endpoint,
                since,
                until,
            )
        found: dict[int, Bucket] = {}
        for row in rows:
            start = int(row["timestamp"].timestamp()) // step * step
            found.setdefault(start, Bucket()).merge(_bucket(row))
        return dict(sorted(found.items()))


def _table(level: int) -> str:
    return "metrics_rollups" if level else "metrics_aggregated"


def _level(level: int) -> str:
    return f"resolution_s = {level} AND" if level else ""


def _bucket(row: Any) -> Bucket:
    return Bucket(
        row["total_requests"], row["errors"], row["total_ms"], Sketch.unpack(row["sketch"])
    )


async def _roll(conn: Connection, behind: Iterable[Slot], below: int, step: int) -> None:
    """Make rows of one step anew from those below, for the stretches that have changed."""
    slots = sorted({(start // step * step, service, end) for start, service, end in behind})
    starts = [datetime.fromtimestamp(start, UTC) for start, _, _ in slots]
    rows = await conn.fetch(
        f"""SELECT w.at AS timestamp, {_FIGURES} FROM {_table(below)} f
              JOIN unnest($1::timestamptz[], $2::text[], $3::text[]) AS w(at, s, e)
                ON {_level(below)} f.service_name = w.s AND f.api_endpoint = w.e
               AND f.timestamp >= w.at AND f.timestamp < w.at + $4::interval""",
        starts,
        [slot[1] for slot in slots],
        [slot[2] for slot in slots],
        timedelta(seconds=step),
    )
    merged: dict[tuple[datetime, str, str], Bucket] = {}
    for row in rows:
        key = (row["timestamp"], row["service_name"], row["api_endpoint"])
        merged.setdefault(key, Bucket()).merge(_bucket(row))
    records = [
        (at, service, end, one.count, one.errors, one.total_ms, one.sketch.pack())
        for (at, service, end), one in merged.items()
    ]
    if records:
        await conn.execute(_STORE, step, *map(list, zip(*records, strict=True)))
