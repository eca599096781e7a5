"""P1: what a start through the whole path costs over the slowest target's own time."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench import cpu
from bench.figures import at_most, median_of, percentile
from bench.ground import Ground, Target, tables
from bench.load import Sample, go_on, names_of, paced, start, warm_up
from bench.scenario import Chart, Report
from native.refusals import Refusal

_DELAY_MS: Final = 10.0
_RATE: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Run:
    starts: list[Sample]  # those that were accepted everywhere in time
    asked: int
    costs: dict[str, float]

    @property
    def over(self) -> list[float]:
        return [one.over_slowest_ms for one in self.starts]

    @property
    def whole(self) -> list[float]:
        return [one.ms for one in self.starts]


async def run(ground: Ground, *, quick: bool) -> Report:
    """Give 20 commands a second, each second one a start, on five environments with one target."""
    floor = tables("OVER", 40)
    await ground.lay(floor)
    await warm_up(ground, floor, times=1 if quick else 4)
    await ground.behave(delay_ms=_DELAY_MS)
    runs = [await _measure(ground, floor, 2.0 if quick else 30.0) for _ in range(3)]
    await ground.behave()
    count = sum(len(one.starts) for one in runs)
    late = sum(one.asked for one in runs) - count
    note = f"median of {len(runs)} runs, {count} starts"
    note += f", {late} more were not accepted in time" if late else ""
    over50 = median_of(runs, lambda one: percentile(one.over, 0.5))
    over99 = median_of(runs, lambda one: percentile(one.over, 0.99))
    whole = median_of(runs, lambda one: percentile(one.whole, 0.5))
    bars = [
        at_most("P1", "a start over its slowest target, p50", over50, 6, "ms", note=note),
        at_most("P1", "a start over its slowest target, p99", over99, 15, "ms", note=note),
        at_most("P1", "a start's whole answer, p50", whole, 20, "ms", note="targets take 10 ms"),
    ]
    grid = cpu.show(
        f"CPU of one command (5 legs) at {_RATE:g} a second, in ms, with what the fleet uses idle",
        {f"run {number}": one.costs for number, one in enumerate(runs, 1)},
    )
    return Report(bars, [_curve(runs)], grids=[grid])


async def _measure(ground: Ground, floor: list[Target], seconds: float) -> _Run:
    names, opened, starts = names_of(floor), deque[str](), list[Sample]()

    async def act(number: int) -> None:
        if number % 2 == 0:
            starts.append(await start(ground, next(names)))
            opened.append(starts[-1].body["round"])
        elif opened:
            await go_on(ground, opened.popleft(), "cancel")

    meter = await cpu.Meter.of(ground)
    before = meter.read()
    count = await paced(_RATE, seconds, act)
    after = meter.read()
    while opened:
        await go_on(ground, opened.popleft(), "cancel")
    fine = [one for one in starts if one.fine]
    if not fine:
        raise Refusal(f"None of {len(starts)} starts was accepted in time.")
    return _Run(fine, len(starts), cpu.per_command(before, after, count))


def _curve(runs: Sequence[_Run]) -> Chart:
    """Show the whole distribution: the share of starts that were done within a time."""
    over = [ms for one in runs for ms in one.over]
    skew = [float(one.body["skew_ms"]) for run in runs for one in run.starts]
    shares = [step / 100 for step in range(1, 100)]
    return Chart(
        "overhead",
        "A start on five environments: the time over the slowest target, and the skew between them",
        "share of the starts, %",
        "ms",
        {
            "over the slowest target": [(100 * one, percentile(over, one)) for one in shares],
            "first to last accepted": [(100 * one, percentile(skew, one)) for one in shares],
        },
    )
