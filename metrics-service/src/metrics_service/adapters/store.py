"""The figures in Postgres: stored together with which events they count, by the shard's owner only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fleetkit.database import Connection, Database
from metrics_service.adapters.spool import Counted
from metrics_service.domain.failures import AggregationError
from metrics_service.domain.sketches import Sketch
from metrics_service.domain.windows import Bucket, Place, aggregate

DIGEST: Final = 8
REMEMBERED: Final = 200_000
"""Of so many events it is known that they were counted; more than can be delivered again."""

_STORE: Final = """
INSERT INTO metrics_aggregated (timestamp, service_name, api_endpoint, qps, avg_latency_ms, p95_latency_ms,
                                p99_latency_ms, error_rate, total_requests, errors, total_ms, sketch, shard)
SELECT *, $13::int FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::float8[],
                     $7::float8[], $8::float8[], $9::int[], $10::int[], $11::float8[], $12::bytea[])
ON CONFLICT (service_name, api_endpoint, timestamp, shard) DO UPDATE
   SET qps = excluded.qps, avg_latency_ms = excluded.avg_latency_ms, p95_latency_ms = excluded.p95_latency_ms,
       p99_latency_ms = excluded.p99_latency_ms, error_rate = excluded.error_rate,
       total_requests = excluded.total_requests, errors = excluded.errors, total_ms = excluded.total_ms,
       sketch = excluded.sketch
"""
_UNROLLED: Final = """
INSERT INTO metrics_unrolled (minute, service_name, api_endpoint)
SELECT DISTINCT date_trunc('minute', t), s, e
  FROM unnest($1::timestamptz[], $2::text[], $3::text[]) AS u(t, s, e)
-- Not DO NOTHING: whoever rolls up that minute just now must wait for what is stored here.
ON CONFLICT (minute, service_name, api_endpoint) DO UPDATE SET minute = excluded.minute
"""
_READ: Final = (
    "SELECT timestamp, service_name, api_endpoint, total_requests, errors, total_ms, sketch"
)


class OvertakenError(AggregationError):
    """Another has taken the shard; what is held here counts for nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A shard as it stood when it was taken."""

    epoch: int
    counted: tuple[bytes, ...]
    stored: Mapping[Place, Bucket]


class Store:
    """What is kept of one shard."""

    def __init__(self, database: Database, *, shard: int, owner: str, bucket_s: int) -> None:
        self._database = database
        self._shard = shard
        self._owner = owner
        self._bucket_s = bucket_s

    async def take(self, since: float) -> Taken:
        """Be the owner from now on: whoever was before can store nothing any more."""
        async with self._database.transaction() as conn:
            epoch = await self._advance(conn)
            return Taken(
                epoch=epoch,
                counted=await self._counted(conn),
                stored=await _read_since(conn, since, self._shard),
            )

    async def _advance(self, conn: Connection) -> int:
        epoch: int = await conn.fetchval(
            """INSERT INTO metrics_shards (shard, epoch, owner) VALUES ($1, 1, $2)
               ON CONFLICT (shard) DO UPDATE SET epoch = metrics_shards.epoch + 1, owner = excluded.owner,
                                                 taken_at = clock_timestamp() RETURNING epoch""",
            self._shard,
            self._owner,
        )
        return epoch

    async def _counted(self, conn: Connection) -> tuple[bytes, ...]:
        digests: list[bytes] = []
        rows = await conn.fetch(
            """SELECT ids FROM (SELECT id, ids, sum(length(ids)) OVER (ORDER BY id DESC) AS so_far
                                  FROM metrics_counted WHERE shard = $1) AS c
                WHERE so_far - length(ids) < $2 ORDER BY id""",
            self._shard,
            REMEMBERED * DIGEST,
        )
        for row in rows:
            digests += split(row["ids"])
        return tuple(digests)

    async def read(self, places: Iterable[Place]) -> dict[Place, Bucket]:
        """Read what is stored of these buckets."""
        wanted = list(places)
        async with self._database.connection() as conn:
            return await _read_places(conn, wanted, self._shard)

    async def commit(
        self, epoch: int, buckets: Mapping[Place, Bucket], counted: Mapping[str, Sequence[bytes]]
    ) -> None:
        """Store all of it or none; told twice it is the same as once.

        `counted` are the events in it, by the name of the storing they were first meant for.
        """
        columns = self._columns(buckets)
        packed = {flush: b"".join(ids) for flush, ids in counted.items()}
        async with self._database.transaction() as conn:
            owned = await conn.fetchval(
                "SELECT true FROM metrics_shards WHERE shard = $1 AND epoch = $2 FOR UPDATE",
                self._shard,
                epoch,
            )
            if not owned:
                raise OvertakenError(f"Shard {self._shard} was taken by another.")
            await self._write(conn, columns, packed)

    async def recover(self, flush: str, events: Sequence[Counted]) -> int:
        """Count what a spool kept and nobody has counted since; give how many.

        The owner of now is overtaken by it, and reads anew what has been counted.
        """
        async with self._database.transaction() as conn:
            await self._advance(conn)
            if await conn.fetchval("SELECT true FROM metrics_counted WHERE flush = $1", flush):
                return 0
            known = set(await self._counted(conn))
            fresh: list[bytes] = []
            added: dict[Place, Bucket] = {}
            for digest, place, ms, failed in events:
                if digest not in known:
                    fresh.append(digest)
                    added.setdefault(place, Bucket()).add(ms, failed=failed)
            for place, stored in (await _read_places(conn, list(added), self._shard)).items():
                added[place].merge(stored)
            await self._write(conn, self._columns(added), {flush: b"".join(fresh)})
        return len(fresh)

    def _columns(self, buckets: Mapping[Place, Bucket]) -> list[list[object]]:
        rows: list[tuple[object, ...]] = []
        for (start, service, endpoint), bucket in sorted(buckets.items()):
            figures = aggregate(bucket, self._bucket_s)
            rows.append(
                (
                    datetime.fromtimestamp(start, UTC),
                    service,
                    endpoint,
                    figures.qps,
                    figures.avg_latency_ms,
                    figures.p95_latency_ms,
                    figures.p99_latency_ms,
                    figures.error_rate,
                    figures.total_requests,
                    bucket.errors,
                    bucket.total_ms,
                    bucket.sketch.pack(),
                )
            )
        return [list(column) for column in zip(*rows, strict=True)]

    async def _write(
        self, conn: Connection, columns: list[list[object]], counted: Mapping[str, bytes]
    ) -> None:
        if columns:
            await conn.execute(_STORE, *columns, self._shard)
            await conn.execute(_UNROLLED, *columns[:3])
        for flush, ids in counted.items():
            await conn.execute(
                """INSERT INTO metrics_counted (shard, flush, ids) VALUES ($1, $2, $3)
                   ON CONFLICT (flush) DO NOTHING""",
                self._shard,
                flush,
                ids,
            )


def split(packed: bytes) -> list[bytes]:
    return [packed[at : at + DIGEST] for at in range(0, len(packed), DIGEST)]


async def _read_since(conn: Connection, since: float, shard: int) -> dict[Place, Bucket]:
    statement = f"{_READ} FROM metrics_aggregated WHERE timestamp >= $1 AND shard = $2"
    return _places(await conn.fetch(statement, datetime.fromtimestamp(since, UTC), shard))


async def _read_places(
    conn: Connection, places: Sequence[Place], shard: int
) -> dict[Place, Bucket]:
    if not places:
        return {}
    statement = f"""{_READ} FROM metrics_aggregated
        JOIN unnest($1::timestamptz[], $2::text[], $3::text[]) AS w(t, s, e)
          ON timestamp = w.t AND service_name = w.s AND api_endpoint = w.e AND shard = $4"""
    starts, services, endpoints = zip(*places, strict=True)
    times = [datetime.fromtimestamp(start, UTC) for start in starts]
    return _places(await conn.fetch(statement, times, list(services), list(endpoints), shard))


def _places(rows: Sequence[Any]) -> dict[Place, Bucket]:
    found: dict[Place, Bucket] = {}
    for at, service, endpoint, count, errors, total_ms, sketch in rows:
        place = (round(at.timestamp()), service, endpoint)
        found[place] = Bucket(count, errors, total_ms, Sketch.unpack(sketch))
    return found
