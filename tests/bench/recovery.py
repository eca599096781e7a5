"""P9: how soon commands succeed again after a process was killed, and open deliveries settle."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Final

from bench.figures import at_most
from bench.ground import Ground, Target, tables
from bench.ledger import opened
from bench.load import every_name, go_on, start, warm_up
from bench.scenario import Bar, Grid, Report
from chaos.plan import Action, Fault
from chaos.recovery import BAR_S, Recovery, measure
from chaos.strikes import Hand
from fleetkit.testing import eventually
from stress.door import Door
from stress.player import Player
from stress.score import Score

_KILLED: Final = {
    "kill table-service": ("table-service-prd", "a replica"),
    "kill gateway": ("gateway", "the gateway"),
    "kill postgres": ("postgres", "Postgres"),
    "kill nginx-worker": ("nginx-worker", "an nginx worker"),
    "kill redis": ("redis", "Redis"),
}
"""What is killed, and what it is called, by the kind of fault."""

_QUICK: Final = 2
_CONSOLES: Final = 6
_BACK_AGAIN_S: Final = 60.0
_PATIENCE_S: Final = 90.0
_AWAY_S: Final = 6.0
_OPEN: Final = 20


async def run(ground: Ground, *, quick: bool) -> Report:
    """Kill each kind of process under load, one at a time, and wait until all is well again."""
    hand, score = Hand(ground.fleet, 7, lambda _: None), Score()
    floor = tables("BACK", _CONSOLES)
    await ground.lay(floor)
    await warm_up(ground, floor)
    targets = list(_KILLED.values())[: _QUICK if quick else None]
    async with _playing(ground, floor, score):
        for number in range(1 if quick else 5):
            for target, _ in targets:
                ground.say(f"  kill {target}")
                await hand.carry_out([Fault(number, 0.0, Action.KILL, target)])
                await _well_again(ground, score, hand.struck[-1].back)
    found = measure(hand.struck, score.accepted)
    bars = [_bar(one) for one in found]
    settled_s = await _settle(ground)
    note = f"{_OPEN} results open, their table reset all for {_AWAY_S:g} s"
    bars.append(
        at_most(
            "P9",
            "open deliveries settled after their target was back",
            settled_s,
            BAR_S,
            "s",
            note=note,
        )
    )
    failures = [f"Not as it should be: {sentence}." for sentence in score.failures[:5]]
    return Report(bars, notes=failures, grids=[_grid(found)])


@asynccontextmanager
async def _playing(ground: Ground, floor: Sequence[Target], score: Score) -> AsyncIterator[None]:
    """Have consoles play at the tables, each command until it is answered."""
    over, dice = asyncio.Event(), Random(7)
    doors = [Door(ground.url, ground.key, trust=True, timeout_s=10) for _ in floor]
    playing = [
        asyncio.create_task(
            Player(
                door,
                table,
                "speed_roulette",
                Random(dice.random()),
                score,
                whims=0.0,
                patience_s=_PATIENCE_S,
            ).play_until(over)
        )
        for door, table in zip(doors, every_name(floor), strict=True)
    ]
    try:
        await eventually(lambda: len(score.accepted) > _CONSOLES, within_s=30)
        yield
        over.set()
        await asyncio.gather(*playing)
    finally:
        for one in playing:
            one.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        for door in doors:
            await door.close()


async def _well_again(ground: Ground, score: Score, back: float) -> None:
    """Wait until commands were accepted everywhere since then, and each process is ready."""
    everywhere = frozenset(ground.fleet.environments)

    def accepted() -> bool:
        since = [names for at, names in score.accepted if at >= back]
        return frozenset().union(*since) >= everywhere

    await eventually(accepted, within_s=_BACK_AGAIN_S)
    await ground.fleet.whole(_BACK_AGAIN_S)


def _bar(found: Recovery) -> Bar:
    _, words = _KILLED[found.kind]
    name = f"commands accepted again after {words} was killed and is back, worst"
    note = "killed once" if found.struck == 1 else f"killed {found.struck} times"
    if found.worst_felt_s is not None:
        note += f"; longest time without an accepted command {found.worst_felt_s:.2f} s"
    return at_most("P9", name, found.worst_s, BAR_S, "s", note=note)


def _grid(found: Sequence[Recovery]) -> Grid:
    rows = []
    for one in found:
        figures = (one.median_s, one.worst_s, one.worst_felt_s)
        shown = ["-" if each is None else f"{each:.2f}" for each in figures]
        rows.append([_KILLED[one.kind][1], *shown])
    header = ["killed", "median after it was back", "worst", "longest without, from the kill on"]
    return Grid("Seconds until a command is accepted again", header, rows)


async def _settle(ground: Ground) -> float:
    """Give results while one environment resets all; tell when they are there once it does not."""
    floor = tables("OWED", _OPEN)
    await ground.lay(floor)
    await warm_up(ground, floor)
    names = every_name(floor)
    rounds = [(await start(ground, name)).body["round"] for name in names]
    await asyncio.gather(*(go_on(ground, one, "bet-stop") for one in rounds))
    await ground.behave("STG", mode="reset")
    await asyncio.gather(
        *(go_on(ground, one, "result", roulette="17", wait_ms=0) for one in rounds)
    )
    await asyncio.sleep(_AWAY_S)
    back = time.time()
    await ground.behave("STG")
    async with opened(ground) as ledger:
        await ledger.all_settled("OWED", _BACK_AGAIN_S)
        settled = await ledger.last_settled("OWED", "result")
    await asyncio.gather(*(go_on(ground, one, "finish") for one in rounds))
    return max(0.0, settled - back)
