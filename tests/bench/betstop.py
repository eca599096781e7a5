"""P5: how late bets are stopped, seen from the tables, with 100 rounds open."""

import asyncio
from typing import Final

from bench.figures import at_most, percentile
from bench.ground import ENVIRONMENTS, Ground, tables
from bench.load import go_on, paced, start, warm_up
from bench.scenario import Chart, Report
from fleetkit.testing import eventually

_ROUNDS: Final = 100


async def run(ground: Ground, *, quick: bool) -> Report:
    """Open 100 rounds over one bet period, and have each table say when its bets were stopped."""
    period_s, waves = (4, 1) if quick else (15, 5)
    floor = tables("STOP", _ROUNDS, bet_stop="driver")
    await ground.lay(floor)
    await warm_up(ground, floor)
    await ground.behave(bet_period_s=period_s)
    await ground.late_ms()
    late: list[float] = []
    for _ in range(waves):
        late += await _wave(ground, period_s)
    await ground.behave()
    missing = waves * _ROUNDS * len(ENVIRONMENTS) - len(late)
    note = f"{len(late)} legs, p50 {percentile(late, 0.5):.1f} ms, latest {max(late):.0f} ms"
    note += f"; {missing} were not stopped in time to be counted" if missing else ""
    name = f"bet-stop after its time, {_ROUNDS} rounds open, p99"
    shares = [step / 100 for step in range(1, 100)]
    chart = Chart(
        "betstop",
        f"Bet-stops at the tables, after their time; {_ROUNDS} rounds open",
        "share of the legs, %",
        "ms",
        {"late by": [(100 * share, percentile(late, share)) for share in shares]},
    )
    return Report([at_most("P5", name, percentile(late, 0.99), 50, "ms", note=note)], [chart])


async def _wave(ground: Ground, period_s: int) -> list[float]:
    """Start 100 rounds evenly over a bet period; cancel each when its bets are stopped."""
    rounds: list[str] = []
    late: list[float] = []

    async def act(number: int) -> None:
        began = await start(ground, f"STOP-{number:04}")
        rounds.append(began.body["round"])

    async def all_stopped() -> bool:
        late.extend(await ground.late_ms())
        return len(late) >= _ROUNDS * len(ENVIRONMENTS)

    # A little faster than the period, so that all stand open before the first is stopped.
    await paced(1.1 * _ROUNDS / period_s, period_s / 1.1, act)
    try:
        await eventually(all_stopped, within_s=period_s + 5)
    except AssertionError:
        ground.say(f"  only {len(late)} bet-stops came")
    await asyncio.gather(*(go_on(ground, one, "cancel") for one in rounds))
    return late
