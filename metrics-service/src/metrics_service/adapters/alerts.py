"""Alerts in Postgres: stored, told to the fleet, and put down to be told outside, all in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fleetkit.clock import rfc3339
from fleetkit.database import Database
from ledger.store import events
from metrics_service.domain.alerts import Alert

QUEUE: Final = "queue"
WEBHOOK: Final = "webhook"


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as it is shown."""

    id: int
    service_name: str
    metric: str
    value: float
    threshold: float
    raised_at: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told of an alert, by one channel."""

    id: int
    channel: str
    body: dict[str, Any]
    tries: int


class Alerts:
    """The table of alerts."""

    def __init__(self, database: Database, *, channels: Sequence[str]) -> None:
        self._database = database
        self._channels = list(channels)

    async def standing(self, shard: int) -> list[tuple[str, str]]:
        async with self._database.connection() as conn:
            rows = await conn.fetch(
                """SELECT service_name, metric FROM metrics_alerts
                    WHERE cleared_at IS NULL AND shard = $1""",
                shard,
            )
        return [(row["service_name"], row["metric"]) for row in rows]

    async def note(self, alert: Alert, shard: int) -> bool:
        """Store a change once; False when it stands so already."""
        at = datetime.fromtimestamp(alert.at, UTC)
        if alert.raised:
            statement = """INSERT INTO metrics_alerts (service_name, metric, value, threshold, raised_at, shard)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (service_name, metric) WHERE cleared_at IS NULL DO NOTHING RETURNING id"""
            given: tuple[object, ...] = (alert.value, alert.threshold, at, shard)
        else:
            statement = """UPDATE metrics_alerts SET cleared_at = $3
                WHERE service_name = $1 AND metric = $2 AND cleared_at IS NULL RETURNING id"""
            given = (at,)
        kind = "alert.raised" if alert.raised else "alert.cleared"
        async with self._database.transaction() as conn:
            number = await conn.fetchval(statement, alert.service, alert.metric, *given)
            if number is None:
                return False
            told: dict[str, object] = {
                "alert": number,
                "service": alert.service,
                "metric": alert.metric,
                "value": round(alert.value, 4),
                "threshold": alert.threshold,
            }
            await events.publish(conn, type=kind, data=told)
            await conn.execute(
                """INSERT INTO metrics_notices (channel, body)
                   SELECT channel, $2 FROM unnest($1::text[]) AS channel""",
                self._channels,
                {"type": kind, **told, "at": rfc3339(at)},
            )
        return True

    async def find(
        self, *, service: str | None, standing: bool | None, limit: int
    ) -> list[StoredAlert]:
        async with self._database.connection() as conn:
            rows = await conn.fetch(
                """SELECT id, service_name, metric, value, threshold, raised_at, cleared_at
                     FROM metrics_alerts
                    WHERE ($1::text IS NULL OR service_name = $1)
                      AND ($2::boolean IS NULL OR (cleared_at IS NULL) = $2)
                    ORDER BY raised_at DESC, id DESC LIMIT $3""",
                service,
                standing,
                limit,
            )
        return [StoredAlert(**dict(row)) for row in rows]

    async def take_notices(self, limit: int, hold: timedelta) -> list[Notice]:
        """Take what is due for a while; whoever dies over it leaves it due again."""
        async with self._database.connection() as conn:
            rows = await conn.fetch(
                """UPDATE metrics_notices SET tries = tries + 1, due_at = clock_timestamp() + $2::interval
                    WHERE id IN (SELECT id FROM metrics_notices WHERE due_at <= clock_timestamp()
                                  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
                RETURNING id, channel, body, tries""",
                limit,
                hold,
            )
        return sorted((Notice(**dict(row)) for row in rows), key=lambda notice: notice.id)

    async def told(self, notice: Notice) -> None:
        async with self._database.connection() as conn:
            await conn.execute("DELETE FROM metrics_notices WHERE id = $1", notice.id)
