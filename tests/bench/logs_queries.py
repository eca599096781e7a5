"""The first page of a filtered search, cold and again, as the lines grow."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
import asyncpg

from bench.figures import at_most, percentile
from bench.ground import Ground
from bench.scenario import Bar, Chart, Point

_DAYS: Final = 10
_DEVICES: Final = 1000
_QUESTIONS: Final = 40
# Filled before it is attached: indexes that are made at the end take a tenth of the time.
_MAKE: Final = "CREATE TABLE {name} (LIKE logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
_FILL: Final = """
INSERT INTO {name} (at, id, received_at, device_id, level, service, trace_id, message, metadata)
SELECT t, 'bench-' || n, t, 'd-' || n % 1000,
       (ARRAY['debug', 'info', 'info', 'info', 'warning', 'error'])[1 + n % 6],
       'svc-' || n % 20, md5((n / 8)::text),
       'wheel ' || n % 977 || ' turned ' || md5(n::text), jsonb_build_object('n', n % 100)
FROM (SELECT n, $1::timestamptz + (n / 10 % 80000) * interval '1 second' AS t
        FROM generate_series($2::bigint, $3::bigint - 1, 10) AS n) AS s
"""
_ATTACH: Final = "ALTER TABLE logs ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')"


def _md5(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


Question = Callable[[int], Mapping[str, str]]
_ASKED: Final[Mapping[str, Question]] = {
    "device": lambda n: {"device_id": f"d-{n * 7 % _DEVICES}"},
    "device and level": lambda n: {"device_id": f"d-{n * 7 % _DEVICES}", "level": "error"},
    "service": lambda n: {"service": f"svc-{n % 20}", "limit": str(100 - n % 40)},
    "trace": lambda n: {"trace_id": _md5(n * 101)},
    "words": lambda n: {"q": _md5(n * 101)},
}


async def measure(ground: Ground, sizes: Sequence[int]) -> tuple[list[Bar], list[Chart]]:
    """Fill up to each size and ask; the last is held against the bars."""
    cold: dict[str, list[Point]] = {name: [] for name in _ASKED}
    again_ms: list[float] = []
    worst = 0.0
    # Not of today, which the fleet itself writes to.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=1 + back) for back in range(_DAYS)]
    connection = await asyncpg.connect(ground.database_url, command_timeout=None)
    try:
        await connection.execute("SET maintenance_work_mem = '256MB'")
        for size in sizes:
            ground.say(f"  {size} lines ...")
            for number, day in enumerate(days):
                await _fill(connection, day, number, size)
            await connection.execute("VACUUM ANALYZE logs")
            again_ms = []
            worst = 0.0
            for name, question in _ASKED.items():
                times = await _ask(ground, question, again_ms)
                cold[name].append((float(size), percentile(times, 0.95)))
                worst = max(worst, percentile(times, 0.95))
    finally:
        for day in days:
            await connection.execute(f"DROP TABLE IF EXISTS {_name(day)}")
        await connection.close()
    note = f"of {sizes[-1]} lines; " + ", ".join(
        f"{name} {points[-1][1]:.1f} ms" for name, points in cold.items()
    )
    bars = [
        at_most("P7", "first page, cold, p95, slowest kind", worst, 50, "ms", note=note),
        at_most("P7", "the same page again, p95", percentile(again_ms, 0.95), 5, "ms"),
    ]
    chart = Chart(
        "logs-queries",
        "A first page as lines grow",
        "lines",
        "ms, p95",
        cold,
        log_x=True,
        log_y=True,
    )
    return bars, [chart]


def _name(day: datetime) -> str:
    return f"logs_{day:%Y%m%d}"


async def _fill(
    connection: "asyncpg.Connection[Any]", day: datetime, number: int, size: int
) -> None:
    name = _name(day)
    begin, end = day.isoformat(), (day + timedelta(days=1)).isoformat()
    await connection.execute(f"DROP TABLE IF EXISTS {name}")
    await connection.execute(_MAKE.format(name=name))
    await connection.execute(_FILL.format(name=name), day, number, size)
    await connection.execute(_ATTACH.format(name=name, begin=begin, end=end))


async def _ask(ground: Ground, question: Question, again_ms: list[float]) -> list[float]:
    times = []
    for number in range(_QUESTIONS):
        asked = question(number)
        times.append(await _timed(ground.session, f"{ground.url}/logs", asked))
        again_ms.append(await _timed(ground.session, f"{ground.url}/logs", asked))
    return times


async def _timed(session: aiohttp.ClientSession, url: str, asked: Mapping[str, str]) -> float:
    began = time.perf_counter()
    async with session.get(url, params=asked) as answer:
        await answer.read()
        answer.raise_for_status()
    return (time.perf_counter() - began) * 1000
