"""A dealer at one table: round after round, with the trouble of the last one."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Final

from native.demo import script, wheel
from native.demo.board import Board
from native.demo.gateway import Answer, Gateway
from native.demo.script import Table, Trouble
from native.demo.simulator import Simulator
from native.demo.views import Round
from native.refusals import Refusal

_POLL_SECONDS: Final = 0.2
_SHORTEST_SECONDS: Final = 0.03
_STOP_SECONDS: Final = 6.0
_END_SECONDS: Final = 12.0
_WAIT_MS: Final = 2000


@dataclass(frozen=True, slots=True)
class Player:
    """Plays one table as a console would: by the public API alone."""

    table: Table
    environments: list[str]
    gateway: Gateway
    simulator: Simulator
    board: Board
    random: Random

    async def play(self) -> None:
        async with asyncio.TaskGroup() as mending:
            for number in range(1, self.board.rounds_wanted + 1):
                trouble = self._trouble() if number == self.board.rounds_wanted else None
                await self._play_round(number, trouble, mending)

    def _trouble(self) -> Trouble | None:
        misbehaves = script.MISBEHAVES in self.environments
        return script.TROUBLES.get(self.table.name) if misbehaves else None

    async def _play_round(
        self, number: int, trouble: Trouble | None, mending: asyncio.TaskGroup
    ) -> None:
        name = self.table.name

        async def do(command: str, call: Callable[[int], Awaitable[Answer]]) -> Round:
            fault = None
            if trouble and trouble.command == command:
                self.board.say(f"{script.MISBEHAVES} {name} {trouble.sentence} (on purpose)")
                fault = await self.simulator.break_(script.MISBEHAVES, trouble)
            answer = await call(trouble.wait_ms if trouble else _WAIT_MS)
            self.board.hear(number, command, answer)
            if trouble and fault is not None:
                mending.create_task(self._mend(fault, trouble))
            return answer.round

        self.board.begin(name, number)
        started = await do("start", partial(self.gateway.start, name, self.environments))
        await self._until(started, number, _are_bets_stopped, _STOP_SECONDS, "stop its bets")
        result = wheel.draw(self.table.game, self.random)
        for command, body in (("result", result), ("finish", {})):
            await do(command, partial(self._command, started.id, command, body))
        await self._until(started, number, _is_over, _END_SECONDS, "end on every leg")

    async def _command(
        self, round_id: str, command: str, body: dict[str, object], wait_ms: int
    ) -> Answer:
        return await self.gateway.command(round_id, command, {**body, "wait_ms": wait_ms})

    async def _mend(self, fault: int, trouble: Trouble) -> None:
        await asyncio.sleep(trouble.hold_s)
        await self.simulator.mend(fault)
        self.board.say(f"{script.MISBEHAVES} {self.table.name} is well again")

    async def _until(
        self,
        started: Round,
        number: int,
        condition: Callable[[Round], bool],
        seconds: float,
        what: str,
    ) -> None:
        """Look at the round until it is so; a round that never gets there ends the demo."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        seen = await self.gateway.read(started.id)
        self.board.see(number, seen)
        while not condition(seen):
            if loop.time() > deadline:
                legs = ", ".join(
                    f"{leg.environment} {leg.game_code} {leg.state} ({leg.command} {leg.outcome})"
                    for leg in seen.legs
                    if not leg.settled or leg.outcome == "rejected"
                )
                raise Refusal(
                    f"Round {seen.id} on {seen.table} did not {what} in {seconds:.0f} s"
                    + (f": {legs}." if legs else ".")
                )
            await asyncio.sleep(_next_look(seen))
            seen = await self.gateway.read(started.id)
            self.board.see(number, seen)


def _are_bets_stopped(seen: Round) -> bool:
    return seen.state != "open"


def _is_over(seen: Round) -> bool:
    return seen.over


def _next_look(seen: Round) -> float:
    """Look again soon, and just after the bets stop."""
    stop = seen.bets_stop_at
    left = _POLL_SECONDS if stop is None else (stop - datetime.now(UTC)).total_seconds()
    return min(_POLL_SECONDS, max(_SHORTEST_SECONDS, left)) if left > 0 else _POLL_SECONDS / 2
