"""P4: what the others feel when one environment hangs, one is slow and one resets."""

from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.figures import percentile
from bench.ground import Ground, tables
from bench.ledger import Ledger, opened
from bench.load import go_on, paced, start
from bench.scenario import Bar, Chart, Report

_WELL: Final = ("PRD", "STG")
_RATE: Final = 10.0
_SHARE: Final = 1.05
_LEAST_MS: Final = 1.0
_SETTLE_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class _Phase:
    broken: bool
    ms: list[float]


async def run(ground: Ground, *, quick: bool) -> Report:
    """Alternate between all well and three broken; each table is played at once in a phase."""
    seconds, pairs = (2.0, 1) if quick else (20.0, 3)
    async with opened(ground) as ledger:
        phases = [
            await _phase(ground, ledger, f"ISO{number}", seconds, broken=broken)
            for number, broken in enumerate((False, True) * pairs)
        ]
        await ground.behave()
        await ledger.all_settled("ISO", _SETTLE_S)
    quiet = [one.ms for one in phases if not one.broken]
    hurt = [one.ms for one in phases if one.broken]
    bars = [_compare(share, quiet, hurt) for share in (0.99, 0.5)]
    return Report(bars, [_curve(quiet, hurt)])


async def _phase(
    ground: Ground, ledger: Ledger, prefix: str, seconds: float, *, broken: bool
) -> _Phase:
    """Start a round at each of many tables; give how long the healthy legs took to settle."""
    floor = tables(prefix, round(_RATE * seconds))
    await ground.behave()
    await ground.lay(floor)
    await _open_sessions(ground, len(floor), prefix)
    if broken:
        await ground.behave("CIT", mode="hang")
        await ground.behave("UAT", delay_ms=5000)
        await ground.behave("QAT", mode="reset")

    async def act(number: int) -> None:
        began = await start(ground, f"{prefix}-{number:04}")
        await go_on(ground, began.body["round"], "cancel", wait_ms=0)

    since = await ledger.now()
    await paced(_RATE, seconds, act)
    times = await ledger.settling_ms(prefix, since)
    return _Phase(broken, [ms for name in _WELL for ms in times[name]])


async def _open_sessions(ground: Ground, count: int, prefix: str) -> None:
    """Play once at each table first: a session is no part of what is compared."""

    async def act(number: int) -> None:
        began = await start(ground, f"{prefix}-{number:04}")
        await go_on(ground, began.body["round"], "cancel")

    await paced(4 * _RATE, count / (4 * _RATE), act)


def _compare(share: float, quiet: list[list[float]], hurt: list[list[float]]) -> Bar:
    before = median(percentile(one, share) for one in quiet)
    after = median(percentile(one, share) for one in hurt)
    met = after - before <= max(_LEAST_MS, before * (_SHARE - 1)) if share > 0.9 else None
    samples = sum(map(len, quiet + hurt))
    return Bar(
        "P4",
        f"legs of healthy environments beside three broken ones, p{share * 100:g}",
        after,
        "ms",
        "<= 5 % or 1 ms more" if met is not None else "",
        peer=f"all well {before:.1f} ms",
        ratio=after / before,
        met=met,
        note=f"one hangs, one answers in 5 s, one resets; {len(quiet)} x each, {samples} legs",
    )


def _curve(quiet: list[list[float]], hurt: list[list[float]]) -> Chart:
    shares = [step / 100 for step in range(1, 100)]
    series = {
        label: [
            (100 * share, percentile([ms for one in runs for ms in one], share)) for share in shares
        ]
        for label, runs in (("all well", quiet), ("three broken", hurt))
    }
    return Chart(
        "isolation",
        "Legs of healthy environments, from the command to the settled delivery",
        "share of the legs, %",
        "ms",
        series,
    )
