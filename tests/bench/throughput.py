"""P2: durable commands a second on this machine, beside Temporal doing the same fan-out."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench import cpu, temporal
from bench.figures import percentile
from bench.ground import Ground, tables
from bench.load import Sample, at_once, play, warm_up
from bench.scenario import Bar, Chart, Grid, Report

_AT_ONCE: Final = 20
_LEAST: Final = 100.0
_TIMES: Final = 8.0
_ORDER: Final = ("start", "bet-stop", "result", "finish")


@dataclass(frozen=True, slots=True)
class _Run:
    samples: list[Sample]
    seconds: float
    costs: dict[str, float]

    @property
    def rate(self) -> float:
        return sum(one.fine for one in self.samples) / self.seconds


@dataclass(frozen=True, slots=True)
class _Peer:
    rate: float
    cpu_ms: float
    ms: list[float]


async def run(ground: Ground, *, quick: bool) -> Report:
    """Play whole rounds, 20 at once, five legs each; in between Temporal takes its turns."""
    seconds, turns = (3.0, 1) if quick else (20.0, 3)
    floor = tables("THRU", _AT_ONCE)
    await ground.lay(floor)
    await warm_up(ground, floor, times=1 if quick else 10)
    ours, theirs = [], []
    async with AsyncExitStack() as stack:
        program = temporal.find()
        peer = None
        if program:
            peer = await stack.enter_async_context(temporal.started(ground, program))
        for turn in range(turns):
            ours.append(await _measure(ground, seconds))
            if peer:
                theirs.append(await _measure_peer(peer, turn, seconds))
    return _report(ours, theirs)


async def _measure(ground: Ground, seconds: float) -> _Run:
    samples: list[Sample] = []

    async def act(worker: int) -> None:
        samples.extend(await play(ground, f"THRU-{worker:04}"))

    meter = await cpu.Meter.of(ground)
    before = meter.read()
    _, took = await at_once(_AT_ONCE, seconds, act)
    return _Run(samples, took, cpu.per_command(before, meter.read(), len(samples)))


async def _measure_peer(peer: temporal.Temporal, turn: int, seconds: float) -> _Peer:
    times: list[float] = []

    async def act(worker: int) -> None:
        began = time.perf_counter()
        await peer.fan_out(f"{turn}-{worker}-{len(times)}-{began}")
        times.append((time.perf_counter() - began) * 1000)

    before = sum(map(cpu.family_s, peer.pids))
    done, took = await at_once(_AT_ONCE, seconds, act)
    spent = sum(map(cpu.family_s, peer.pids)) - before
    return _Peer(done / took, spent * 1000 / max(1, done), times)


def _report(ours: list[_Run], theirs: list[_Peer]) -> Report:
    rate = median(one.rate for one in ours)
    samples = [sample for one in ours for sample in one.samples]
    late = sum(not one.fine for one in samples)
    note = f"{len(samples)} commands, p50 {percentile([one.ms for one in samples], 0.5):.0f} ms"
    note += f", {late} not accepted within 2 s" if late else ""
    name = f"durable commands of five legs, {_AT_ONCE} at once"
    bars = [Bar("P2", name, rate, "/s", f">= {_LEAST:g} /s", met=rate >= _LEAST, note=note)]
    bars.append(_beside(rate, theirs))
    grid = cpu.show(
        f"CPU of one command (5 legs) with {_AT_ONCE} at once, in ms",
        {f"run {number}": one.costs for number, one in enumerate(ours, 1)},
    )
    rates = {"Pitboss": [(float(turn), one.rate) for turn, one in enumerate(ours, 1)]}
    if theirs:
        rates["Temporal"] = [(float(turn), one.rate) for turn, one in enumerate(theirs, 1)]
    chart = Chart("throughput", "Durable commands of five legs", "run", "commands/s", rates)
    return Report(bars, [chart], grids=[grid, _by_command(samples, theirs)])


def _beside(rate: float, theirs: list[_Peer]) -> Bar:
    name, bar = "the same fan-out beside Temporal's dev server", f">= {_TIMES:g}x"
    if not theirs:
        note = "Temporal could not be installed here, so nothing ran beside it"
        return Bar("P2", name, rate, "/s", bar, note=note)
    beside = median(one.rate for one in theirs)
    cost = median(one.cpu_ms for one in theirs)
    return Bar(
        "P2",
        name,
        rate,
        "/s",
        bar,
        peer=f"Temporal {beside:.1f}/s",
        ratio=rate / beside,
        met=rate >= _TIMES * beside,
        note=f"server and worker use {cost:.0f} ms CPU for one, its store is SQLite in a file",
    )


def _by_command(samples: list[Sample], theirs: list[_Peer]) -> Grid:
    rows = []
    for name in _ORDER:
        times = [one.ms for one in samples if one.command == name] or [0.0]
        rows.append((name, times))
    if theirs:
        rows.append(("Temporal", [ms for one in theirs for ms in one.ms]))
    shares = (0.5, 0.95, 0.99)
    return Grid(
        f"Answered within, in ms, {_AT_ONCE} at once",
        ["", *(f"p{share * 100:g}" for share in shares)],
        [[name, *(f"{percentile(times, one):.1f}" for one in shares)] for name, times in rows],
    )
