"""Events that come by HTTP: checked one by one, published, and counted as all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from fleetkit import ids
from fleetkit.bus import Bus, Queue
from fleetkit.telemetry import stamp
from metrics_service.domain import events
from metrics_service.domain.failures import InvalidMetricEventError


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that was not taken."""

    index: int
    reason: str


class Intake:
    """Takes batches."""

    def __init__(self, bus: Bus, queue: Queue) -> None:
        self._bus = bus
        self._queue = queue

    async def take(self, given: Sequence[Any], *, now: float) -> tuple[int, list[Refused]]:
        """Publish what is right and lay the rest among the dead letters; raises Unavailable."""
        good: list[dict[str, str | bytes]] = []
        dead: list[dict[str, str | bytes]] = []
        refused: list[Refused] = []
        for index, one in enumerate(given):
            body = orjson.dumps(one)
            try:
                read = events.read({"body": body}, now=now)
            except (InvalidMetricEventError, ValidationError) as error:
                refused.append(Refused(index, str(error)))
                dead.append(
                    {
                        "body": body[:4096],
                        "reason": str(error),
                        "queue": self._queue.name,
                        "entry": "",
                        "event_bytes": str(len(body)),
                        "died_at": stamp(now),
                    }
                )
                continue
            if read.id is None:
                body = orjson.dumps({**one, "event_id": ids.new()})
            good.append({"body": body})
        if dead:
            await self._bus.publish_many(self._queue.dead_letters, dead)
        if good:
            await self._bus.publish_many(self._queue, good)
        return len(good), refused
