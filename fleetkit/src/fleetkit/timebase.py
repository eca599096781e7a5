"""The clock of a database, told by this process's monotonic clock and a measured offset."""

import time
from datetime import UTC, datetime

from fleetkit.postgres import Connection


class Timebase:
    """Offset between a database's clock and this process's monotonic one."""

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.monotonic() + self._offset_s, UTC)

    async def measure(self, connection: Connection, *, samples: int) -> None:
        """Keep the sample with the least round trip: it has the least room for error."""
        best_s = float("inf")
        offset_s = self._offset_s
        for _ in range(samples):
            before = time.monotonic()
            there: datetime = await connection.fetchval("select clock_timestamp()")
            after = time.monotonic()
            if after - before < best_s:
                best_s = after - before
                offset_s = there.timestamp() - (before + after) / 2
        self._offset_s = offset_s
