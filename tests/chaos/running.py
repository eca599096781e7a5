"""A run: consoles play while the plan is carried out, then all is lifted, ended and proved."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from chaos import aftermath
from chaos.aftermath import Aftermath
from chaos.ground import Ground, game_of, prepared
from chaos.plan import Fault
from chaos.recovery import Recovery, measure
from chaos.strikes import Hand
from fleetkit.testing import eventually
from stress.door import Door
from stress.player import Player
from stress.score import Score

ENVIRONMENTS: Final = ("CIT", "UAT", "QAT", "STG", "PRD")
_WHIMS: Final = 0.3
_PATIENCE_S: Final = 150.0
_FIRST_ROUNDS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """All that is to be told of a run."""

    plan: tuple[Fault, ...]
    environments: tuple[str, ...]
    consoles: int
    seconds: float
    score: Score
    recoveries: list[Recovery]
    aftermath: Aftermath

    @property
    def ok(self) -> bool:
        return not self.aftermath.wrong


async def run(
    plan: Sequence[Fault],
    *,
    seed: int,
    consoles: int,
    environments: Sequence[str] = ENVIRONMENTS,
    say: Callable[[str], None],
    replicas: int = 2,
) -> Run:
    """Carry a plan out on a fleet of its own."""
    tables = [f"CHAOS-{number:03}" for number in range(1, consoles + 1)]
    say(f"starting a fleet of its own: {', '.join(environments)}, {replicas} replicas each ...")
    async with prepared(environments, tables, replicas=replicas) as ground:
        score, hand = Score(), Hand(ground, seed, say)
        began = time.monotonic()
        say(f"{consoles} consoles play, {len(plan)} faults are to come ...")
        await _play(ground, tables, score, hand, plan)
        seconds = time.monotonic() - began
        say("all faults are lifted and all consoles are done; now the proof ...")
        door = Door(ground.url, ground.key, trust=True)
        try:
            found = await aftermath.see(ground, door, tables, score)
        finally:
            await door.close()
        if found.wrong:
            _keep_logs(ground, say)
    recoveries = measure(hand.struck, score.accepted)
    return Run(tuple(plan), tuple(environments), consoles, seconds, score, recoveries, found)


def _keep_logs(ground: Ground, say: Callable[[str], None]) -> None:
    """Leave what the fleet said where it can be read: the folder itself is about to go."""
    kept = Path(tempfile.mkdtemp(prefix="pitboss-chaos-logs-"))
    shutil.copytree(ground.places.logs, kept, dirs_exist_ok=True)
    say(f"the logs are kept in {kept}")


async def _play(
    ground: Ground,
    tables: Sequence[str],
    score: Score,
    hand: Hand,
    plan: Sequence[Fault],
) -> None:
    over, dice = asyncio.Event(), Random(len(plan))
    doors = [Door(ground.url, ground.key, trust=True) for _ in tables]
    players = [
        asyncio.create_task(
            Player(
                door,
                table,
                game_of(table),
                Random(dice.random()),
                score,
                whims=_WHIMS,
                patience_s=_PATIENCE_S,
            ).play_until(over)
        )
        for door, table in zip(doors, tables, strict=True)
    ]
    try:
        await eventually(lambda: score.accepted or score.failures, within_s=_FIRST_ROUNDS_S)
        await hand.carry_out(plan)
        await ground.whole()
        over.set()
        await asyncio.gather(*players)
    finally:
        for player in players:
            player.cancel()
        await asyncio.gather(*players, return_exceptions=True)
        for door in doors:
            await door.close()
