"""P8: events a second through one metrics-service, and what one event costs it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Final

import aio_pika
import asyncpg
import orjson

from bench import metrics_sums as sums
from bench.figures import at_least
from bench.ground import FOLDER, Ground
from bench.metrics_yard import Yard
from bench.scenario import Bar, Report
from chaos.ground import open_folder
from fleetkit.bus import open_bus
from fleetkit.telemetry import METRICS

_PUBLISHED_AT_ONCE: Final = 2000
_POLL_S: Final = 0.05
_PATIENCE_S: Final = 120.0
_PREFETCH: Final = 500
_SERVICES: Final = 20
_BESIDE: Final = 20_000
_NOTE: Final = (
    "Events lie on the bus first; the clock runs from the first storing to the last but one, "
    "as what is left in the end waits for its time."
)


async def run(ground: Ground, *, quick: bool) -> Report:
    """Reckon in this process first, then through a service on servers of its own."""
    bars, charts, grids = sums.measure(10_000 if quick else 100_000)
    events = 30_000 if quick else 150_000
    async with AsyncExitStack() as stack:
        yard = await Yard.enter(stack, stack.enter_context(open_folder(FOLDER)))
        ground.say("  through Redis Streams ...")
        through = await _through(yard, yard.redis_url, events)
        note = (
            f"{events} events of {_SERVICES} services, {through.cost_us:.0f} us of processor each"
        )
        bars.append(
            at_least("P8", "events through one process, Redis Streams", through.rate, 20_000, "/s",
                     note=note)
        )  # fmt: skip
        if not quick:
            ground.say("  through RabbitMQ ...")
            bars.append(await _beside_aio_pika(yard, await yard.rabbit(stack), _BESIDE))
    return Report(bars, charts, [_NOTE], grids)


class _Through:
    """How a run through the service went."""

    def __init__(self, rate: float, cost_us: float) -> None:
        self.rate = rate
        self.cost_us = cost_us


async def _through(yard: Yard, bus_url: str, events: int) -> _Through:
    await yard.clear()
    await _publish(bus_url, events)
    connection = await asyncpg.connect(yard.owner_url)
    try:
        async with yard.service(bus_url) as service:
            seen: list[tuple[float, int, float]] = []
            deadline = time.monotonic() + _PATIENCE_S
            while time.monotonic() < deadline and (not seen or seen[-1][1] < events):
                stored = await connection.fetchval(
                    "SELECT coalesce(sum(total_requests), 0) FROM metrics_aggregated"
                )
                if stored and (not seen or stored > seen[-1][1]):
                    seen.append((time.monotonic(), int(stored), service.cpu_s()))
                await asyncio.sleep(_POLL_S)
    finally:
        await connection.close()
    (began, first, spent), (ended, last, spent_then) = seen[0], seen[-2 if len(seen) > 3 else -1]
    counted = max(1, last - first)
    return _Through(counted / max(ended - began, _POLL_S), (spent_then - spent) / counted * 1e6)


def _bodies(events: int) -> list[bytes]:
    at = datetime.now(UTC).isoformat()
    return [
        orjson.dumps(
            {
                "timestamp": at,
                "api_endpoint": f"/v1/{number % 7}",
                "response_time_ms": 5 + number % 200,
                "status_code": 200,
                "service_name": f"service-{number % _SERVICES}",
                "event_id": f"b-{number}",
            }
        )
        for number in range(events)
    ]


async def _publish(bus_url: str, events: int) -> None:
    bodies = _bodies(events)
    async with open_bus(bus_url) as bus:
        for at in range(0, events, _PUBLISHED_AT_ONCE):
            some = bodies[at : at + _PUBLISHED_AT_ONCE]
            await bus.publish_many(METRICS, [{"body": body} for body in some])


async def _beside_aio_pika(yard: Yard, bus_url: str, events: int) -> Bar:
    """Consume in turn with the service, and with aio-pika and nothing else."""
    ours, theirs = [], []
    for _ in range(3):
        ours.append((await _through(yard, bus_url, events)).rate)
        theirs.append(await _alone(bus_url, events))
    value, peer = median(ours), median(theirs)
    ratio = value / peer
    return Bar(
        "P8", "events through one process, RabbitMQ", value, "/s", ">= 0.7x aio-pika alone",
        peer=f"aio-pika alone {peer:.0f}/s", ratio=ratio, met=ratio >= 0.7,
    )  # fmt: skip


async def _alone(bus_url: str, events: int) -> float:
    """Take as many messages, acknowledge each, and do nothing with them."""
    done = asyncio.Event()
    taken, began = 0, 0.0

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal taken, began
        began = began or time.perf_counter()
        await message.ack()
        taken += 1
        if taken >= events:
            done.set()

    async with await aio_pika.connect(bus_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=_PREFETCH)
        queue = await channel.get_queue(METRICS.name, ensure=False)
        await queue.purge()
        await _publish(bus_url, events)
        handler: Callable[[aio_pika.abc.AbstractIncomingMessage], Awaitable[None]] = take
        await queue.consume(handler)
        async with asyncio.timeout(_PATIENCE_S):
            await done.wait()
    return events / (time.perf_counter() - began)
