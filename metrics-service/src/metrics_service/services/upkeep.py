"""What goes on beside the counting: rollups, partitions, what has been kept long enough."""

import asyncio
import time
from typing import Final

from fleetkit import errors, logs
from metrics_service.adapters.history import AT_ONCE, History

log = logs.get(__name__)

ROLL_S: Final = 2.0
KEEP_S: Final = 600.0


async def run(history: History) -> None:
    kept = 0.0
    while True:
        try:
            if not kept or time.monotonic() > kept + KEEP_S:
                await history.keep()
                kept = time.monotonic()
            while await history.roll() == AT_ONCE:
                pass
        except errors.Unavailable:
            pass  # it is behind for as long as Postgres is away
        except Exception:
            log.exception("metrics_upkeep_failed")
        await asyncio.sleep(ROLL_S)
