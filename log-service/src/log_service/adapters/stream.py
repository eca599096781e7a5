"""The stream between the door and the worker: bounded, refusing when it is full."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fleetkit.bus import Bus, Fields, Full, Queue
from log_service.domain.entries import place
from log_service.domain.lines import Line

NAME: Final = "logs"
GROUP: Final = "log-worker"
# What can't be written is told apart by the worker itself. Worn out is only what ends the worker
# each time; while Postgres is away lines go from one worker to the next for hours.
DELIVERIES: Final = 2000
USUAL_LENGTH: Final = 200_000
AT_ONCE: Final = 1000


def queue(length: int = USUAL_LENGTH, size: int = 0) -> Queue:
    return Queue(NAME, length=length, size=size, deliveries=DELIVERIES)


@dataclass(slots=True)
class _Wish:
    """The lines of one request, and what became of them."""

    entries: Sequence[Fields]
    names: Sequence[str]
    ids: asyncio.Future[list[str]]


class Stream:
    """Takes lines in; what comes while Redis is being told goes there together, next."""

    def __init__(self, bus: Bus, length: int, size: int) -> None:
        self.bus = bus
        self.queue = queue(length, size)
        self._wishes: deque[_Wish] = deque()
        self._adding: asyncio.Task[None] | None = None

    async def add(self, lines: Sequence[Line], sender: str) -> list[str]:
        """Add the lines in order and give their ids; raises bus.Full or Unavailable."""
        names = [f"{sender}:{line.once}" if line.once else "" for line in lines]
        ids = asyncio.get_running_loop().create_future()
        self._wishes.append(_Wish([{"body": line.encode()} for line in lines], names, ids))
        if self._adding is None:
            self._adding = asyncio.create_task(self._add_all())
        return [place(one) for one in await ids]

    async def _add_all(self) -> None:
        try:
            while self._wishes:
                some = [self._wishes.popleft()]
                count = len(some[0].entries)
                while self._wishes and count + len(self._wishes[0].entries) <= AT_ONCE:
                    some.append(self._wishes.popleft())
                    count += len(some[-1].entries)
                await self._add(some)
        finally:
            self._adding = None

    async def _add(self, wishes: Sequence[_Wish]) -> None:
        entries = [entry for wish in wishes for entry in wish.entries]
        names = [name for wish in wishes for name in wish.names]
        full: Full | None = None
        try:
            ids: Sequence[str] = await self.bus.publish_many(
                self.queue, entries, once=names if any(names) else None
            )
        except Full as error:
            full, ids = error, error.ids
        except BaseException as error:
            for wish in wishes:
                if not wish.ids.done():
                    wish.ids.set_exception(error)
            if isinstance(error, Exception):
                return
            raise
        at = 0
        for wish in wishes:
            mine = list(ids[at : at + len(wish.entries)])
            at += len(wish.entries)
            if wish.ids.done():
                continue  # nobody waits for it any more
            if full is None or len(mine) == len(wish.entries):
                wish.ids.set_result(mine)
            else:
                left = range(len(mine), len(wish.entries))
                wish.ids.set_exception(Full(self.queue.name, left, mine))
