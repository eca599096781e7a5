"""P3: one start on many targets of one environment, beside those who keep no ledger."""

from collections import Counter
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

from bench import cpu, peers
from bench.figures import at_least, at_most, r_squared
from bench.ground import Ground, Target, tables
from bench.load import Sample, go_on, start
from bench.scenario import Bar, Chart, Grid, Report
from native.refusals import Refusal

_ENVIRONMENT: Final = "PRD"
_MANY: Final = 1000
_SIZES: Final = (1, 10, 50, 100, 200, 500, _MANY)
_FEW_SIZES: Final = (1, 10, 100, _MANY)
_WAIT_MS: Final = 30_000
_CALLS: Final = ("start", "bet-stop", "deal", "finish", "cancel")
_OURS: Final = "Pitboss, with the ledger"


@dataclass(frozen=True, slots=True)
class _Point:
    """Medians over the repetitions for one number of targets; of processor time the mean."""

    size: int
    ms: dict[str, float]
    leg_ms: dict[str, float]  # processor time of one leg, by part of ours
    peer_leg_ms: dict[str, float]


async def run(ground: Ground, *, quick: bool) -> Report:
    """Start and cancel rounds of growing size, and let each peer make the same calls."""
    sizes = _FEW_SIZES if quick else _SIZES
    floor: list[Target] = []
    for size in sizes:
        floor += [one | {"table": _table(size)} for one in map(dict, tables(f"FAN{size}", size))]
    await ground.lay([], "CIT", "UAT", "QAT", "STG")
    await ground.lay(
        floor,
        _ENVIRONMENT,
        timeouts_ms=dict.fromkeys(_CALLS, 20_000),
        limits={"concurrency": peers.AT_ONCE, "per_target": 4},
    )
    points = []
    async with peers.ready() as everyone:
        for size in sizes:
            ground.say(f"  {size} targets")
            # Its pool takes the square of the waiting: more time than all else together.
            slow = {peers.PLAIN} if quick and size >= 500 else set()
            beside = {name: one for name, one in everyone.items() if name not in slow}
            points.append(await _measure(ground, beside, size, _repetitions(size, quick=quick)))
    await ground.lay([])
    return _report(points)


def _table(size: int) -> str:
    return f"FAN-{size}"


def _repetitions(size: int, *, quick: bool) -> int:
    if quick:
        return 1 if size >= 500 else 5
    return 7 if size >= 500 else 20


async def _measure(
    ground: Ground, everyone: dict[str, peers.FanOut], size: int, times: int
) -> _Point:
    """Take turns, so that what else the machine does strikes all alike; the first is to warm up."""
    base = ground.table_api(_ENVIRONMENT)
    urls = [f"{base}/tables/PEER{size}-{number:04}/start" for number in range(size)]
    meter = await cpu.Meter.of(ground)
    walls: dict[str, list[float]] = {name: [] for name in (_OURS, *everyone)}
    spent: dict[str, list[float]] = {name: [] for name in everyone}
    parts: list[dict[str, float]] = []
    for turn in range(times + 1):
        for name, fan_out in everyone.items():
            wall, cpu_ms = await peers.timed(fan_out, urls)
            if turn:
                walls[name].append(wall)
                spent[name].append(cpu_ms / size)
        before = meter.read()
        began = await start(ground, _table(size), deadline_ms=_WAIT_MS, wait_ms=_WAIT_MS)
        after = meter.read()
        if not began.fine:
            raise Refusal(f"A start on {size} targets was answered {began.status}: {_why(began)}")
        await go_on(ground, began.body["round"], "cancel", wait_ms=_WAIT_MS)
        if turn:
            walls[_OURS].append(began.ms)
            parts.append(cpu.per_command(before, after, size))
    return _Point(
        size,
        {name: median(ms) for name, ms in walls.items()},
        {part: fmean(one[part] for one in parts) for part in parts[0]},
        {name: fmean(ms) for name, ms in spent.items()},
    )


def _why(sample: Sample) -> str:
    """Count what the legs say of themselves."""
    lasts = [leg["last"] for leg in sample.body.get("legs", ())]
    said = Counter(f"{one['outcome']} {one['detail'] or ''}".strip() for one in lasts)
    return ", ".join(f"{count} {words}" for words, count in said.most_common(4))


def _report(points: list[_Point]) -> Report:
    most = points[-1]
    ours = most.ms[_OURS]
    line = [(float(one.size), one.ms[_OURS]) for one in points]
    curve = {
        name: [(float(one.size), one.ms[name]) for one in points if name in one.ms]
        for name in points[0].ms
    }
    title = f"a start on {most.size} targets of one environment"
    leg = cpu.of_fleet(most.leg_ms)
    bars = [
        _beside(title, ours, most, peers.FLOOR, 3.0),
        _beside(title, ours, most, peers.NEW, 0.5),
        _beside(title, ours, most, peers.KEPT, 0.5),
        at_least("P3", "how straight the curve is, r²", r_squared(line), 0.98, ""),
        at_most(
            "P3",
            f"CPU of one leg of {most.size}, all of ours",
            leg,
            0.35,
            "ms",
            note=f"table-service alone {most.leg_ms['table-service']:.2f} ms; one leg of one: "
            f"{cpu.of_fleet(points[0].leg_ms):.2f} ms",
        ),
    ]
    charts = [
        Chart(
            "fanout",
            "One command on many targets of one environment",
            "targets",
            "ms",
            curve,
            log_x=True,
            log_y=True,
        ),
        Chart(
            "leg",
            "Processor time of one leg",
            "targets",
            "ms",
            {
                "Pitboss, all processes": [
                    (float(one.size), cpu.of_fleet(one.leg_ms)) for one in points
                ],
                **{
                    name: [(float(one.size), one.peer_leg_ms[name]) for one in points]
                    for name in most.peer_leg_ms
                },
            },
            log_x=True,
            log_y=True,
        ),
    ]
    return Report(bars, charts, grids=[_walls(points), _costs(points)])


def _beside(title: str, ours: float, most: _Point, peer: str, times: float) -> Bar:
    theirs = most.ms[peer]
    return Bar(
        "P3",
        title,
        ours,
        "ms",
        f"<= {times:g}x",
        peer=f"{peer} {theirs:.0f} ms",
        ratio=ours / theirs,
        met=ours <= times * theirs,
    )


def _walls(points: list[_Point]) -> Grid:
    names = list(points[0].ms)
    rows = [
        [f"{one.size}", *(f"{one.ms[name]:.1f}" if name in one.ms else "-" for name in names)]
        for one in points
    ]
    return Grid("Wall time of one command, in ms (medians)", ["targets", *names], rows)


def _costs(points: list[_Point]) -> Grid:
    return cpu.show(
        "CPU of one leg of a start, in ms", {f"{one.size} targets": one.leg_ms for one in points}
    )
