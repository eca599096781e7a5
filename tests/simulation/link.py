"""The way to the ledger: statements that come late, or whose answers get lost."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, TypeVar

from fleetkit import errors

if TYPE_CHECKING:
    from simulation.world import World

Answer = TypeVar("Answer")


class Link:
    """Everybody's connection to the ledger, and Postgres's own outages."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self.out_until = 0.0

    async def ask(self, operation: Callable[[], Answer], environment: str | None) -> Answer:
        """Run a statement at the ledger: one step, at some time, whose answer may get lost."""
        random, loop = self._random, self._world.loop
        asked: asyncio.Future[Answer] = loop.create_future()
        chance = random.random()
        there = 0.0002 + chance * 0.002
        fails = None
        if loop.time() < self.out_until:
            fails = "before"
        elif (
            self._world.chances.store_fault
            and not self._world.healed
            and environment != self._world.layout.calm
        ):
            draw = random.random()
            if draw < self._world.chances.store_fault:
                fails = "before" if draw < self._world.chances.store_fault / 2 else "after"
            elif draw < self._world.chances.store_fault * 2:
                there = random.random() * random.choice((0.5, 1.5, 9.0))
                self._world.disturb(environment)
                self._world.count("store_slow")
        loop.call_later(there, self._perform, asked, operation, fails, environment)
        return await asked

    def _perform(
        self,
        asked: "asyncio.Future[Answer]",
        operation: Callable[[], Answer],
        fails: str | None,
        environment: str | None,
    ) -> None:
        answer: Answer | None = None
        error: Exception | None = None
        if fails is not None:
            self._world.count(f"store_lost_{fails}")
            self._world.disturb(environment)
            error = errors.Unavailable("The ledger is away.")
        if fails != "before":
            try:
                answer = operation()
            except Exception as refused:  # noqa: BLE001 - it is the caller's, like any answer
                error = error or refused
        if asked.done():
            return
        if error is not None:
            asked.set_exception(error)
        else:
            asked.set_result(answer)  # type: ignore[arg-type]

    async def stall(self, environment: str) -> None:
        """Hold a settlement up until its lease may have run out."""
        if not self._world.healed and self._random.random() < 0.3:
            self._world.disturb(environment)
            await asyncio.sleep(self._random.random() * 25.0)
