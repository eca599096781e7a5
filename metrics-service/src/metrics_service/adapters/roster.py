"""Who is there to count, in Postgres: without it no shard can be taken anyway."""

from datetime import timedelta
from typing import Final

from fleetkit.database import Database

ALIVE: Final = timedelta(seconds=4)
_FORGOTTEN: Final = timedelta(minutes=10)


class Roster:
    """The instances that were seen just now."""

    def __init__(self, database: Database, instance: str) -> None:
        self._database = database
        self.instance = instance

    async def meet(self) -> list[str]:
        """Say that we are here, and give all that are, by name."""
        async with self._database.connection() as conn:
            rows = await conn.fetch(
                """WITH me AS (INSERT INTO metrics_instances (instance) VALUES ($1)
                       ON CONFLICT (instance) DO UPDATE SET seen_at = clock_timestamp()),
                   gone AS (DELETE FROM metrics_instances
                             WHERE instance <> $1 AND seen_at < clock_timestamp() - $3::interval)
                   SELECT instance FROM metrics_instances
                    WHERE instance <> $1 AND seen_at > clock_timestamp() - $2::interval""",
                self.instance,
                ALIVE,
                _FORGOTTEN,
            )
        return sorted([self.instance, *(row["instance"] for row in rows)])

    async def leave(self) -> None:
        async with self._database.connection() as conn:
            await conn.execute("DELETE FROM metrics_instances WHERE instance = $1", self.instance)
