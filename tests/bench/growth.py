"""Ten studios' rounds on this machine, and what a command costs it: figures for scale.md."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
import psutil

from bench import cpu
from bench.figures import percentile
from bench.ground import ENVIRONMENTS, Ground, tables
from bench.load import Sample, go_on, paced, start, warm_up
from bench.scenario import Bar, Grid, Report

_STUDIOS: Final = 10
_TABLES: Final = 20  # of one studio
_ROUND_S: Final = 30.0
_RATE: Final = _STUDIOS * _TABLES / _ROUND_S  # rounds a second
_SIZES: Final = (1, 10, 100, 1000)
_DAY_S: Final = 86_400
_FULL: Final = 0.6  # of a core, so that a minute's peak still has room
_REST_S: Final = 2.0
"""The lines and figures of the warm-up are written by then, and not taken for idleness."""

_SHOWN: Final = ("nginx", "gateway", "table-service", "postgres")
_ORDER: Final = ("start", "bet-stop", "result", "finish")
_STORED: Final = "SELECT pg_current_wal_insert_lsn() - '0/0', pg_database_size(current_database())"


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a stretch of time took: of the processor by part, in seconds, and of Postgres."""

    seconds: float
    cpu: Mapping[str, float]
    wal: float
    size: float

    def without(self, idle: "_Spent") -> "_Spent":
        """Leave out what the fleet would have used with nothing to do."""
        share = self.seconds / idle.seconds
        return _Spent(
            self.seconds,
            {part: max(0.0, used - idle.cpu[part] * share) for part, used in self.cpu.items()},
            *(getattr(self, one) - getattr(idle, one) * share for one in ("wal", "size")),
        )

    def per(self, count: float) -> "_Spent":
        costs = {part: used / count for part, used in self.cpu.items()}
        return _Spent(self.seconds / count, costs, self.wal / count, self.size / count)


async def run(ground: Ground, *, quick: bool) -> Report:
    """Play rounds at the rate of ten studios, whole ones, and look at what they leave behind."""
    seconds, idle_s = (4.0, 2.0) if quick else (60.0, 20.0)
    floor = tables("TEN", _STUDIOS * _TABLES // (8 if quick else 1))
    await ground.lay(floor)
    await warm_up(ground, floor)
    await asyncio.sleep(_REST_S)
    samples: list[Sample] = []

    async def act(number: int) -> None:
        samples.extend(await _play(ground, f"TEN-{number % len(floor):04}"))

    connection = await asyncpg.connect(ground.database_url)
    try:
        meter = await cpu.Meter.of(ground)
        idle = await _measure(meter, connection, asyncio.sleep(idle_s))
        busy = await _measure(meter, connection, paced(_RATE, seconds, act))
    finally:
        await connection.close()
    return _report(samples, idle, busy)


async def _measure(
    meter: cpu.Meter, connection: "asyncpg.Connection[asyncpg.Record]", work: Awaitable[object]
) -> _Spent:
    stored, used, began = await _stored(connection), meter.read(), time.perf_counter()
    await work
    took, after, left = time.perf_counter() - began, meter.read(), await _stored(connection)
    gone = {part: after[part] - used[part] for part in used}
    return _Spent(took, gone, *(now - before for now, before in zip(left, stored, strict=True)))


async def _stored(connection: "asyncpg.Connection[asyncpg.Record]") -> list[float]:
    row = await connection.fetchrow(_STORED)
    return [float(one) for one in row.values()] if row else []


def _report(samples: list[Sample], idle: _Spent, busy: _Spent) -> Report:
    one = busy.without(idle).per(len(samples))
    share = sum(busy.cpu[part] for part in cpu.FLEET) / busy.seconds / (psutil.cpu_count() or 1)
    times = [sample.ms for sample in samples]
    late = sum(not sample.fine for sample in samples)
    bar = Bar(
        "scale",
        f"{_STUDIOS} studios of {_TABLES} tables, a round each {_ROUND_S:g} s: a command, p99",
        percentile(times, 0.99),
        "ms",
        "",
        note=f"{len(samples) / busy.seconds:.1f} commands/s, p50 {percentile(times, 0.5):.1f} ms, "
        f"{late} not accepted in 2 s, the fleet uses {share:.0%} of the machine",
    )
    spent = cpu.show(
        "CPU in ms: of one command (5 legs), and of a second with nothing to do",
        {
            "a command": {part: 1000 * used for part, used in one.cpu.items()},
            "a second": {part: 1000 * used for part, used in idle.per(idle.seconds).cpu.items()},
        },
    )
    legs = len(ENVIRONMENTS)
    wrote = Grid(
        "What Postgres writes, without what it writes with nothing to do",
        ["", "a command", "a leg"],
        [
            [name, f"{amount:.1f}", f"{amount / legs:.2f}"]
            for name, amount in (
                ("WAL, KiB", one.wal / 1024),
                ("on disk, KiB", one.size / 1024),
            )
        ],
    )
    return Report([bar], grids=[spent, _by_command(samples), wrote, _reckon(one)])


def _reckon(one: _Spent) -> Grid:
    """Multiply what a command costs by the commands of so many studios."""
    rows = []
    for studios in _SIZES:
        rate = studios * _TABLES / _ROUND_S * len(_ORDER)
        cores = {part: rate * one.cpu[part] / _FULL for part in cpu.FLEET}
        figures = (
            *(cores[part] for part in _SHOWN),
            sum(cores.values()),
            rate * one.wal / (1 << 20),
            rate * one.size * _DAY_S / (1 << 30),
        )
        rows.append(
            [
                *(f"{round(count)}" for count in (studios, rate, rate * len(ENVIRONMENTS))),
                *(f"{figure:.1f}" for figure in figures),
            ]
        )
    header = ["studios", "commands/s", "legs/s", *(f"cores: {part}" for part in _SHOWN)]
    header += ["cores: all", "WAL, MiB/s", "disk, GiB a day"]
    each = f"{_TABLES} tables each, a round in {_ROUND_S:g} s, cores {_FULL:.0%} full"
    return Grid(f"Reckoned from it: {each}", header, rows)


async def _play(ground: Ground, table: str) -> list[Sample]:
    """Play as a dealer does, in a hurry: a second between the commands."""
    samples = [await start(ground, table)]
    round_ = samples[0].body.get("round")
    if round_ is None:
        return samples
    for name in _ORDER[1:]:
        await asyncio.sleep(1)  # the dealer's own time, which is part of the load
        body = {"roulette": "17"} if name == "result" else {}
        samples.append(await go_on(ground, round_, name, **body))
    return samples


def _by_command(samples: list[Sample]) -> Grid:
    rows = []
    for name in _ORDER:
        times = [one.ms for one in samples if one.command == name] or [0.0]
        rows.append([name, *(f"{percentile(times, share):.1f}" for share in (0.5, 0.99))])
    return Grid("Answered within, in ms", ["", "p50", "p99"], rows)
