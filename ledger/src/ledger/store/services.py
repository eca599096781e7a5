"""The replicas that came and went: of each coming and each going one event, whoever notices."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fleetkit.database import Connection

Reason = Literal["stopped", "lost"]

_ENTER = """
WITH before AS (
    SELECT * FROM services WHERE instance = $1 FOR UPDATE
), entered AS (
    INSERT INTO services (instance, service, environment, version, url, started_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (instance) DO UPDATE
        SET service = excluded.service, environment = excluded.environment, version = excluded.version,
            url = excluded.url, started_at = excluded.started_at, joined_at = clock_timestamp(), left_at = NULL
        WHERE services.started_at < excluded.started_at
           OR (services.started_at = excluded.started_at AND services.left_at IS NOT NULL)
    RETURNING *
), told AS (
    SELECT 1 AS number, b.environment, 'service.left' AS type,
           jsonb_build_object('service', b.service, 'instance', b.instance, 'reason', 'replaced') AS data
    FROM before b JOIN entered USING (instance) WHERE b.left_at IS NULL
    UNION ALL
    SELECT 2, environment, 'service.joined',
           jsonb_build_object('service', service, 'instance', instance, 'version', version)
    FROM entered
)
INSERT INTO events (environment, type, data) SELECT environment, type, data FROM told ORDER BY number
"""

_LEAVE = """
WITH gone AS (
    UPDATE services SET left_at = clock_timestamp()
    WHERE instance = $1 AND started_at = $2 AND left_at IS NULL RETURNING *
)
INSERT INTO events (environment, type, data)
SELECT environment, 'service.left',
       jsonb_build_object('service', service, 'instance', instance, 'reason', $3::text)
FROM gone
"""


@dataclass(frozen=True, slots=True)
class Present:
    """A replica that came and is not known to have gone."""

    instance: str
    service: str
    environment: str | None
    version: str
    url: str | None
    started_at: datetime
    joined_at: datetime


async def enter(
    conn: Connection,
    *,
    instance: str,
    service: str,
    environment: str | None,
    version: str,
    url: str | None,
    started_at: datetime,
) -> None:
    """Note that it is there; nothing when that is known. One of the same name before it has left."""
    await conn.execute(_ENTER, instance, service, environment, version, url, started_at)


async def leave(conn: Connection, instance: str, started_at: datetime, reason: Reason) -> None:
    """Note that it is gone; nothing when that is known."""
    await conn.execute(_LEAVE, instance, started_at, reason)


async def present(conn: Connection, *, for_at_least: timedelta = timedelta()) -> list[Present]:
    rows = await conn.fetch(
        """SELECT instance, service, environment, version, url, started_at, joined_at FROM services
           WHERE left_at IS NULL AND joined_at <= clock_timestamp() - $1::interval
           ORDER BY service, environment, instance""",
        for_at_least,
    )
    return [Present(**dict(row)) for row in rows]


async def purge(conn: Connection, *, older_than: timedelta) -> None:
    await conn.execute(
        "DELETE FROM services WHERE left_at < clock_timestamp() - $1::interval", older_than
    )
