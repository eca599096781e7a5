"""P7: lines taken, written and found, beside one synchronous INSERT for each request."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import asyncpg
import orjson

from bench import logs_naive, logs_queries
from bench.figures import at_least, at_most, percentile
from bench.ground import Ground
from bench.scenario import Bar, Report

_DEVICES: Final = 100
_PER_SECOND: Final = 10
_AT_ONCE: Final = 8
_LINES: Final = 1000
_TAKEN: Final = 202
_FULL: Final = 503
_PATIENCE_S: Final = 120.0
_WARM_S: Final = 1.0


@dataclass(slots=True)
class Sent:
    """What those who send met."""

    times_ms: list[float] = field(default_factory=list)
    failed: int = 0
    lines: int = 0


async def run(ground: Ground, *, quick: bool) -> Report:
    """Send lines singly and in batches, look for them, and ask of many."""
    seconds = 2.0 if quick else 20.0
    headers = {"authorization": f"Bearer {ground.key}", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        bars = await _one_by_one(ground, session, seconds)
        bars += await _in_batches(ground, session, seconds)
    sizes = (30_000,) if quick else (100_000, 1_000_000, 10_000_000)
    found, charts = await logs_queries.measure(ground, sizes)
    return Report([*bars, *found], charts)


def line(device: str) -> dict[str, Any]:
    return {
        "device_id": device,
        "level": "info",
        "service": "bench",
        "message": "The wheel has come to rest, and the ball with it.",
        "metadata": {"rpm": 31},
    }


async def _one_by_one(ground: Ground, session: aiohttp.ClientSession, seconds: float) -> list[Bar]:
    ours, looks = Sent(), list[float]()
    # A hundred devices that connect at once are another matter than what each meets afterwards.
    await _devices(session, f"{ground.url}/logs", _WARM_S, Sent())
    looking = asyncio.create_task(_look(ground, session, looks))
    await _devices(session, f"{ground.url}/logs", seconds, ours)
    looking.cancel()
    theirs = Sent()
    async with logs_naive.served(ground.database_url) as url:
        await _devices(session, url, _WARM_S, Sent())
        await _devices(session, url, seconds, theirs)
    beside = (
        f"an INSERT each: p50 {percentile(theirs.times_ms, 0.5):.1f} ms, "
        f"p99 {percentile(theirs.times_ms, 0.99):.1f} ms"
    )
    note = f"{ours.lines} lines, {ours.failed} failed; {beside}"
    shares = ((0.5, 3.0), (0.99, 10.0))
    bars = [
        at_most("P7", f"POST /logs at 1000/s, p{100 * share:.0f}",
                percentile(ours.times_ms, share), limit, "ms", note=note)
        for share, limit in shares
    ]  # fmt: skip
    worst = percentile(looks, 0.99) if looks else None
    bars.append(
        at_most("P7", "a line can be found, p99", worst, 1, "s", note=f"{len(looks)} lines")
    )
    return bars


async def _devices(session: aiohttp.ClientSession, url: str, seconds: float, sent: Sent) -> None:
    end = time.monotonic() + seconds

    async def device(number: int) -> None:
        body = orjson.dumps(line(f"bench-{number:03}"))
        due = time.monotonic() + number / _DEVICES / _PER_SECOND
        while due < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += 1 / _PER_SECOND
            began = time.perf_counter()
            async with session.post(url, data=body) as answer:
                await answer.read()
            sent.times_ms.append((time.perf_counter() - began) * 1000)
            sent.lines += answer.status == _TAKEN
            sent.failed += answer.status != _TAKEN

    await asyncio.gather(*map(device, range(_DEVICES)))


async def _look(ground: Ground, session: aiohttp.ClientSession, seconds: list[float]) -> None:
    """Send a line of its own now and then, and ask for it until it is there."""
    while True:
        name = f"look-{secrets.token_hex(6)}"
        began = time.monotonic()
        async with session.post(f"{ground.url}/logs", data=orjson.dumps(line(name))) as answer:
            await answer.read()
        number = 0
        while True:
            number += 1  # another question each time: the same would be answered from the cache
            asked = {"device_id": name, "limit": str(1 + number % 900)}
            async with session.get(f"{ground.url}/logs", params=asked) as answer:
                if (await answer.json()).get("logs"):
                    break
            await asyncio.sleep(0.01)
        seconds.append(time.monotonic() - began)
        await asyncio.sleep(0.05)


async def _in_batches(ground: Ground, session: aiohttp.ClientSession, seconds: float) -> list[Bar]:
    tag = secrets.token_hex(3)
    sent = Sent()
    connection = await asyncpg.connect(ground.database_url)
    try:
        began = time.monotonic()
        body = orjson.dumps([line(f"batch-{tag}")] * _LINES)
        end = began + seconds

        async def send() -> None:
            while time.monotonic() < end:
                async with session.post(f"{ground.url}/logs/batch", data=body) as answer:
                    await answer.read()
                if answer.status == _TAKEN:
                    sent.lines += _LINES
                elif answer.status == _FULL:
                    sent.failed += 1
                    await asyncio.sleep(0.2)  # as a device does that is told it is full

        await asyncio.gather(*(send() for _ in range(_AT_ONCE)))
        intake = sent.lines / (time.monotonic() - began)
        statement = "SELECT coalesce(sum(lines), 0) FROM devices WHERE device_id = $1"
        deadline = time.monotonic() + _PATIENCE_S
        written = 0
        while written < sent.lines and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            written = int(await connection.fetchval(statement, f"batch-{tag}"))
        sustained = written / (time.monotonic() - began)
        naive = await logs_naive.batches(ground.database_url, [line("naive")] * 200)
    finally:
        await connection.close()
    note = f"{sent.failed} refused as full" if sent.failed else ""
    peer = f"an INSERT each {naive:.0f}/s"
    return [
        _beside(at_least("P7", "batch intake", intake, 20_000, "lines/s", note=note), peer, naive),
        _beside(at_least("P7", "sustained to Postgres, one worker", sustained, 10_000, "lines/s"),
                peer, naive),
    ]  # fmt: skip


def _beside(bar: Bar, peer: str, figure: float) -> Bar:
    ratio = (bar.value or 0.0) / figure
    return Bar(bar.id, bar.name, bar.value, bar.unit, bar.bar, peer, ratio, bar.met, bar.note)
