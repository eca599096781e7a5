"""Telling the metrics-service of each request and each attempt, beside the work and never in it.

What is told waits in memory, is published a few times a second, and stays there while the bus is
away, up to a bound; past it the oldest is dropped and counted.
"""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Final, NamedTuple, Self

import orjson
from prometheus_client import Counter

from fleetkit import background, context, errors, ids, logs
from fleetkit.bus import Bus, Full, Queue, open_bus
from fleetkit.clock import rfc3339

log = logs.get(__name__)

METRICS: Final = Queue(
    "metrics.api_requests",
    length=200_000,
    size=64 * 1024 * 1024,
    dead="metrics.dlq",
    deliveries=1000,
    exclusive=True,
)
SHARDS: Final = (METRICS, *(replace(METRICS, name=f"{METRICS.name}.{n}") for n in range(1, 4)))
"""Each is counted by one instance. A service's events must all go to the same one."""

ALERTS: Final = Queue("alerts.notifications", length=10_000, drop=True)

MOST_WAITING: Final = 50_000
PER_PUBLICATION: Final = 500
EVERY_S: Final = 0.5
AWAY_S: Final = 1.0
LAST_S: Final = 2.0

DROPPED: Final = Counter(
    "pitboss_metric_events_dropped", "Metric events dropped since the bus was away for too long."
)


def shard_of(service: str) -> Queue:
    """Give the queue for a service's events."""
    return SHARDS[zlib.crc32(service.encode()) % len(SHARDS)]


class _Told(NamedTuple):
    id: str
    at: float
    endpoint: str
    ms: float
    status: int | None
    beside: dict[str, str | None]


class Reporter:
    """Tells of one service's requests."""

    def __init__(self, bus: Bus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._queue = shard_of(service)
        self._waiting: deque[_Told] = deque()
        self._run = ids.new()
        self._numbers = count(1)
        self._away = False
        self._under_way = 0
        self.dropped = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, bus_url: str, service: str) -> AsyncIterator[Self]:
        """Tell as long as the block lasts, and what is left at its end if the bus takes it."""
        async with open_bus(bus_url) as bus:
            reporter = cls(bus, service)
            try:
                async with background.running(reporter._publish()):
                    yield reporter
            finally:
                with suppress(TimeoutError, errors.Unavailable):
                    async with asyncio.timeout(LAST_S):
                        while reporter._waiting:
                            await reporter._publish_some()

    @property
    def waiting(self) -> int:
        """Count those that the bus has not confirmed."""
        return len(self._waiting) + self._under_way

    def report(
        self,
        endpoint: str,
        *,
        seconds: float,
        status: int | None,
        environment: str | None = None,
        table: str | None = None,
        operation: str | None = None,
    ) -> None:
        """Put it down; this is all that happens on the path of the work itself."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            DROPPED.inc()
        beside = {
            "environment": environment,
            "table_id": table,
            "operation": operation,
            "trace_id": context.trace_id.get(),
        }
        number = f"{self._run}-{next(self._numbers)}"
        self._waiting.append(_Told(number, time.time(), endpoint, seconds * 1000, status, beside))

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                while self._waiting:
                    await self._publish_some()
                if self._away:
                    self._away = False
                    log.info("metric_events_told_again")
            except errors.Unavailable as error:
                if not self._away:
                    self._away = True
                    log.warning("metric_events_wait", reason=error.detail)
                await asyncio.sleep(AWAY_S)
            except Exception:
                log.exception("metric_events_not_told")
                await asyncio.sleep(AWAY_S)

    async def _publish_some(self) -> None:
        """Publish the oldest; those whose fate is not known are told again, under the same id."""
        some = [self._waiting.popleft() for _ in range(min(PER_PUBLICATION, len(self._waiting)))]
        self._under_way += len(some)
        try:
            await self._bus.publish_many(self._queue, [{"body": self._write(one)} for one in some])
        except Full as error:
            self._keep([some[place] for place in error.refused])
            raise
        except BaseException:
            self._keep(some)
            raise
        finally:
            self._under_way -= len(some)

    def _keep(self, some: Sequence[_Told]) -> None:
        room = max(0, MOST_WAITING - len(self._waiting))
        if len(some) > room:
            self.dropped += len(some) - room
            DROPPED.inc(len(some) - room)
            some = some[-room:] if room else ()
        self._waiting.extendleft(reversed(some))

    def _write(self, one: _Told) -> bytes:
        body: dict[str, object] = {
            "timestamp": stamp(one.at),
            "api_endpoint": one.endpoint[:200],
            "response_time_ms": max(0.0, one.ms),
            "status_code": one.status,
            "service_name": self._service,
            "event_id": one.id,
        }
        body.update({name: text for name, text in one.beside.items() if text is not None})
        return orjson.dumps(body)


def stamp(at: float) -> str:
    return rfc3339(datetime.fromtimestamp(at, UTC))
