"""The stream between the door and the worker: bounded, refusing when it is full."""

from collections.abc import Sequence
from typing import Final

from fleetkit.bus import Bus, Queue
from log_service.domain.entries import place
from log_service.domain.lines import Line

NAME: Final = "logs"
GROUP: Final = "log-worker"
# What can't be written is told apart by the worker itself. Worn out is only what ends the worker
# each time; while Postgres is away lines go from one worker to the next for hours.
DELIVERIES: Final = 2000
USUAL_LENGTH: Final = 200_000


def queue(length: int = USUAL_LENGTH) -> Queue:
    return Queue(NAME, length=length, deliveries=DELIVERIES)


class Stream:
    """Takes lines in."""

    def __init__(self, bus: Bus, length: int) -> None:
        self.bus = bus
        self.queue = queue(length)

    async def add(self, lines: Sequence[Line], sender: str) -> list[str]:
        """Add the lines in order and give their ids; raises bus.Full or Unavailable."""
        names = [f"{sender}:{line.once}" if line.once else "" for line in lines]
        ids = await self.bus.publish_many(
            self.queue,
            [{"body": line.encode()} for line in lines],
            once=names if any(names) else None,
        )
        return [place(one) for one in ids]
