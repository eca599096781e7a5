"""Sharing the shards out: each instance counts those that fall to it, as long as they do.

Who counts is decided by the bus and by the shard's epoch; this only keeps one from having it all.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from fleetkit import background, errors, logs
from metrics_service.adapters.roster import Roster
from metrics_service.services.processor import LAST_S, MetricsProcessor

log = logs.get(__name__)

BEAT_S: Final = 1.0
GOODBYE_S: Final = 2.0
RECOVER_S: Final = 15.0


def deal(shards: int, instances: Sequence[str], me: str) -> set[int]:
    """Give the shards that fall to one, dealt in turn to all in order of their names."""
    return {shard for shard in range(shards) if instances[shard % len(instances)] == me}


class Sharing:
    """Runs the processors of the shards that are ours."""

    def __init__(self, roster: Roster, processors: Sequence[MetricsProcessor]) -> None:
        self._roster = roster
        self._processors = processors

    async def run(self) -> None:
        recovering = asyncio.create_task(self._recover())
        running: dict[int, asyncio.Task[None]] = {}
        leaving: dict[int, float] = {}  # and until when they may take to
        try:
            while True:
                with suppress(errors.Unavailable):  # then it stays as it was
                    met = await self._roster.meet()
                    mine = deal(len(self._processors), met, self._roster.instance)
                    for shard in running.keys() - mine:
                        if leaving.get(shard, 0.0) < time.monotonic():
                            log.info("shard_given_up", shard=shard, among=len(met))
                            leaving[shard] = time.monotonic() + 2 * LAST_S
                            running[shard].cancel()  # it stores what it has, and lets go
                    for shard in [one for one, task in running.items() if task.done()]:
                        del running[shard]
                        leaving.pop(shard, None)
                    for shard in mine - running.keys():
                        running[shard] = asyncio.create_task(self._processors[shard].run())
                await asyncio.sleep(BEAT_S)
        finally:
            await background.end(recovering, *running.values(), again_s=2 * LAST_S)

    async def leave(self) -> None:
        """Have the others take over at once."""
        with suppress(errors.Unavailable, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._roster.leave()

    async def _recover(self) -> None:
        """Take in what lies on this machine's disk, of shards that are others' by now too."""
        while True:
            for processor in self._processors:
                await processor.recover()
            await asyncio.sleep(RECOVER_S)
