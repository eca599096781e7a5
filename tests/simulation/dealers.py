"""Dealers: they play rounds at a table by seed, and press what people press."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from fleetkit import errors
from ledger.domain.commands import Kind
from simulation.gatewaystore import RoundOpenError
from simulation.rows import Place, Round

if TYPE_CHECKING:
    from simulation.world import World


class Dealer:
    """One at each physical table."""

    def __init__(self, world: "World", table: str, places: Sequence[Place], rounds: int) -> None:
        self._world = world
        self._random = Random(world.random.getrandbits(64))
        self._table = table
        self._places = places
        self._rounds = rounds

    async def play(self) -> None:
        await asyncio.sleep(self._random.random() * 2.0)
        for _ in range(self._rounds):
            round_ = await self._start()
            if round_ is not None:
                await self._see_through(round_)
            if self._random.random() < 0.6:
                await asyncio.sleep(self._random.random() * 6.0)

    async def leave(self) -> bool:
        """End what is open, as people would; True when nothing is."""
        round_ = self._world.rows.open.get(self._table)
        if round_ is None:
            return True
        if round_.state == "open" and self._random.random() < 0.5:
            await self._press(round_, Kind.RESULT)
        ended = round_.state == "dealt" and await self._press(round_, Kind.FINISH)
        if not ended:
            await self._press(round_, Kind.CANCEL)
        return self._table not in self._world.rows.open

    async def _start(self) -> Round | None:
        """Open a round; whoever gets no answer looks whether one is open, as a console does."""
        deadline = timedelta(seconds=self._random.choice((1.0, 3.0, 3.0, 5.0)))
        presses = 2 if self._random.random() < 0.03 else 1
        rows = self._world.rows
        tasks = [
            self._world.loop.create_task(
                self._world.gateway().start(
                    self._table, self._places, deadline=deadline, wait_s=self._patience()
                )
            )
            for _ in range(presses)
        ]
        await asyncio.wait(tasks)
        if presses > 1:
            self._world.count("two_starts")
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, RoundOpenError):
                open_round = rows.open.get(self._table)
                if open_round is not None:
                    rows.conclude([open_round.id])
            elif error is not None and not isinstance(error, errors.Unavailable):
                raise error
        return rows.open.get(self._table)

    async def _see_through(self, round_: Round) -> None:
        random = self._random
        longest = max(
            self._world.tables[p.environment, p.game_code].bet_period for p in self._places
        )
        if random.random() < 0.07:
            await asyncio.sleep(random.random() * longest * 0.5)
            await self._press(round_, Kind.CANCEL)
            return
        if random.random() < 0.1:
            await asyncio.sleep(random.random() * longest)
            await self._press(round_, Kind.BET_STOP)
        if random.random() < 0.12:
            await asyncio.sleep(random.random() * longest)
            self._world.count("early_result")
        else:
            await asyncio.sleep(longest + 0.5 + random.random() * 3.0)
        await self._deal(round_)
        if random.random() < 0.5:
            await asyncio.sleep(random.random() * 3.0)
        if random.random() < 0.04:
            await self._press(round_, Kind.CANCEL)
            return
        if not await self._press(round_, Kind.FINISH):
            await self._press(round_, Kind.CANCEL)
        elif random.random() < 0.05:
            await self._press(round_, Kind.FINISH)

    async def _deal(self, round_: Round) -> None:
        chance = self._random.random()
        if chance >= 0.1:
            await self._press(round_, Kind.RESULT)
            return
        other = chance < 0.05
        self._world.count("two_results" if other else "same_result_twice")
        tasks = [
            self._world.loop.create_task(
                self._press(round_, Kind.RESULT, pocket="17" if other and number else "7")
            )
            for number in range(2)
        ]
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _press(self, round_: Round, kind: Kind, *, pocket: str = "7") -> bool:
        """Press until there is an answer, but not for ever."""
        body: dict[str, object] = {"roulette": pocket} if kind is Kind.RESULT else {}
        for _ in range(4):
            gateway = self._world.gateway()
            task = self._world.loop.create_task(
                gateway.advance(round_, kind, body=body, wait_s=self._patience())
            )
            gateway.process.add(task)
            await asyncio.wait((task,))
            if not task.cancelled() and task.exception() is None:
                taken: bool = task.result()
                return taken or (kind is Kind.FINISH and round_.state == "finished")
            if not task.cancelled() and not isinstance(task.exception(), errors.Unavailable):
                task.result()
            self._world.count("no_answer")
            await asyncio.sleep(0.2 + self._random.random())  # by the simulated clock
        return False

    def _patience(self) -> float:
        return 0.0 if self._random.random() < 0.05 else 2.0
