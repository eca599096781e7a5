"""What the ledger itself says of how long things took, asked of Postgres as its owner."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from bench.ground import Ground
from fleetkit.testing import eventually


@dataclass(frozen=True, slots=True)
class Ledger:
    """One connection to the ledger's database."""

    connection: "asyncpg.Connection[asyncpg.Record]"

    async def now(self) -> datetime:
        moment: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        return moment

    async def settling_ms(self, prefix: str, since: datetime) -> dict[str, list[float]]:
        """Give by environment how long each accepted start took to settle, from the command on."""
        rows = await self.connection.fetch(
            "SELECT d.environment, extract(epoch FROM d.settled_at - c.created_at) * 1000 AS ms"
            " FROM deliveries d JOIN commands c ON c.id = d.command_id"
            " WHERE starts_with(d.table_id, $1) AND d.kind = 'start' AND d.state = 'accepted'"
            " AND c.created_at >= $2",
            prefix,
            since,
        )
        times: dict[str, list[float]] = {}
        for row in rows:
            times.setdefault(row["environment"], []).append(float(row["ms"]))
        return times

    async def open_deliveries(self, prefix: str) -> int:
        count = await self.connection.fetchval(
            "SELECT count(*) FROM deliveries"
            " WHERE starts_with(table_id, $1) AND settled_at IS NULL AND NOT scheduled",
            prefix,
        )
        return int(count)

    async def last_settled(self, prefix: str, kind: str) -> float:
        """Give the moment, as a time stamp, at which the last delivery of a kind was settled."""
        moment = await self.connection.fetchval(
            "SELECT extract(epoch FROM max(settled_at)) FROM deliveries"
            " WHERE starts_with(table_id, $1) AND kind = $2",
            prefix,
            kind,
        )
        return float(moment)

    async def all_settled(self, prefix: str, within_s: float) -> None:
        """Wait until nothing is owed to these tables."""

        async def none_open() -> bool:
            return not await self.open_deliveries(prefix)

        await eventually(none_open, within_s=within_s)


@asynccontextmanager
async def opened(ground: Ground) -> AsyncIterator[Ledger]:
    connection = await asyncpg.connect(ground.database_url)
    try:
        yield Ledger(connection)
    finally:
        await connection.close()
