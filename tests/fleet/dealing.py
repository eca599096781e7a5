"""Dealers who play full rounds on and on, and what they met."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fleet.console import RESULTS, Console, Round, opened_console
from fleet.floor import Floor
from fleet.rig import Fleet
from fleetkit.testing import eventually

CONSOLES = 3
TAKEN = (200, 201, 202, 207)
"""Done, or under way: what is not settled within the wait is settled a moment later."""

PATIENT_S = 120.0


@dataclass(slots=True)
class Load:
    """What the consoles met."""

    rounds: int = 0
    failures: list[str] = field(default_factory=list)

    async def more(self, rounds: int) -> None:
        """Wait until so many more rounds are played."""
        wanted = self.rounds + rounds
        await eventually(lambda: self.failures or self.rounds >= wanted, within_s=PATIENT_S)
        assert self.failures == []


async def swift(console: Console, table: str) -> object:
    """Play a round in which each command is done everywhere when it is answered."""
    return await console.play(table)


async def patient(console: Console, table: str) -> Round:
    """Play a round in which each command is taken at once, and accepted everywhere in the end."""
    answer = await console.start(table, deadline_ms=60_000)
    assert answer.status in TAKEN, ("start", answer)
    round_ = await console.settled(answer.round.round, within_s=PATIENT_S)
    assert set(round_.outcomes.values()) == {"accepted"}, round_
    for name, body in (("bet-stop", {}), ("result", RESULTS["speed_roulette"]), ("finish", {})):
        answer = await console.command(name, round_.round, **body)
        assert answer.status in TAKEN, (name, answer)
        round_ = await console.settled(round_.round, within_s=PATIENT_S)
        assert set(round_.outcomes.values()) == {"accepted"}, (name, round_)
    return round_


@asynccontextmanager
async def dealing(
    fleet: Fleet, floor: Floor, play: Callable[[Console, str], Awaitable[object]] = swift
) -> AsyncIterator[Load]:
    """Keep consoles playing full rounds, each on its own table, until the block ends."""
    load, over = Load(), asyncio.Event()

    async def deal(table: str) -> None:
        async with opened_console(fleet.url, fleet.key) as console:
            while not over.is_set():
                try:
                    await play(console, table)
                except Exception as failure:  # noqa: BLE001  # all of it is what is asked for
                    load.failures.append(f"{table}: {failure!r}")
                    return
                load.rounds += 1

    dealers = [asyncio.create_task(deal(floor.take())) for _ in range(CONSOLES)]
    try:
        yield load
    finally:
        over.set()
        await asyncio.gather(*dealers)
