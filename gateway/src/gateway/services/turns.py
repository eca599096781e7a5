"""Turns of all batches of this gateway: so many at once as its pace allows, in the order asked."""

import asyncio
import time
from collections import deque
from typing import Final

from prometheus_client import Gauge

from gateway.domain.pace import Pace, Window

CONCURRENCY: Final = Gauge(
    "pitboss_batch_concurrency", "How many tables of batches may be worked at at once just now."
)
UNDER_WAY: Final = Gauge("pitboss_batch_turns", "Tables of batches being worked at.")
# A window is judged when it has as many answers as the limit, and has lasted this long.
LEAST_S: Final = 0.1


class Turn:
    """Held while a table is worked at; given back once, whoever is first to do so."""

    def __init__(self, turns: "Turns") -> None:
        self._turns = turns
        self._began = time.monotonic()
        self._held = True

    def give_back(self) -> None:
        if self._held:
            self._held = False
            self._turns.take_back((time.monotonic() - self._began) * 1000)


class Turns:
    """Hands out turns."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._latencies: list[float] = []
        self._full = False
        self._since = time.monotonic()
        self._cpu = time.process_time()
        CONCURRENCY.set(pace.whole)

    async def take(self) -> Turn:
        if self._held >= self.pace.whole or self._waiting:
            self._full = True
            ours: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(ours)
            try:
                await ours
            except asyncio.CancelledError:
                if ours.done() and not ours.cancelled():
                    self._let_go()
                raise
        else:
            self._hold()
        return Turn(self)

    def take_back(self, latency_ms: float) -> None:
        self._latencies.append(latency_ms)
        self._let_go()
        self._judge()

    def _hold(self) -> None:
        self._held += 1
        self._full = self._full or self._held >= self.pace.whole
        UNDER_WAY.set(self._held)

    def _let_go(self) -> None:
        self._held -= 1
        UNDER_WAY.set(self._held)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting and self._held < self.pace.whole:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                self._hold()

    def _judge(self) -> None:
        lasted = time.monotonic() - self._since
        if len(self._latencies) < self.pace.whole or lasted < LEAST_S:
            return
        cpu = time.process_time()
        share = (cpu - self._cpu) / lasted
        self.pace = self.pace.after(Window(tuple(self._latencies), share, self._full))
        CONCURRENCY.set(self.pace.whole)
        self._latencies.clear()
        self._full = bool(self._waiting)
        self._since, self._cpu = time.monotonic(), cpu
        self._pass_on()
