"""A console: plays rounds at its table, and asks again under the same key until it is answered."""

import asyncio
import secrets
from collections.abc import Iterator
from random import Random
from typing import Final

import aiohttp

from native.demo import wheel
from native.demo.views import ENDED, Round
from stress.door import Door, Reply, now
from stress.score import Played, Sample, Score

PASSING: Final = frozenset(
    {
        "database_unavailable",
        "gateway_silent",
        "gateway_stopping",
        "gateway_unreachable",
        "leg_busy",
        "rate_limited",
        "round_busy",
        "still_running",
        "table_busy",
        "too_many_requests",
        "unavailable",
    }
)
"""Answers that say: ask again."""
OVERTAKEN: Final = frozenset(
    {"no_leg_dealt", "round_cancelled", "round_dealt", "round_finished", "round_open"}
)
"""Answers to a command that what became of the round has made pointless."""
_POLL_S: Final = 0.05
_LONGEST_POLL_S: Final = 0.5


class Refused(Exception):  # noqa: N818  # it is no error before somebody says so
    """A command was answered with a problem that asking again does not mend."""

    def __init__(self, command: str, reply: Reply) -> None:
        super().__init__(f"{command} was answered {reply.status} {dict(reply.body)}")
        self.code = reply.code


class Impatient(Exception):  # noqa: N818
    """It took longer than the console has patience."""


class Player:
    """One console at one table."""

    def __init__(
        self,
        door: Door,
        table: str,
        game: str,
        dice: Random,
        score: Score,
        *,
        whims: float = 0.05,
        patience_s: float = 60.0,
    ) -> None:
        self._door = door
        self._table = table
        self._game = game
        self._dice = dice
        self._score = score
        self._whims = whims
        self._patience_s = patience_s

    async def play_until(self, over: asyncio.Event) -> None:
        """Play round after round; what can't be explained ends it and is told."""
        try:
            while not over.is_set():
                await self.play()
        except (Refused, Impatient) as failure:
            self._score.failures.append(f"{self._table}: {failure}")

    async def play(self) -> Round:
        """Play one round to its end."""
        round_ = await self._command("start", f"/v1/tables/{self._table}/rounds", {})
        for command, body in self._script():
            if round_.state in ENDED:
                break
            if command == "result":
                self._score.rounds[round_.id].result = body
            round_ = await self._go_on(round_, command, body)
        if round_.state not in ENDED:  # no leg could take the result
            round_ = await self._go_on(round_, "cancel", {"reason": "It could not be dealt."})
        if round_.state not in ENDED:
            raise Impatient(f"round {round_.id} did not end: {round_.state}")
        return round_

    def _script(self) -> Iterator[tuple[str, dict[str, object]]]:
        whim = self._dice.random()
        if whim >= self._whims / 2:  # else the result comes while bets are open
            yield "bet-stop", {}
        if whim >= 1 - self._whims / 2:
            yield "cancel", {"reason": "The wheel was disturbed."}
            return
        yield "result", wheel.draw(self._game, self._dice)
        yield "finish", {}

    async def _go_on(self, round_: Round, command: str, body: dict[str, object]) -> Round:
        try:
            return await self._command(command, f"/v1/rounds/{round_.id}/{command}", body)
        except Refused as refused:
            if refused.code not in OVERTAKEN:
                raise
            self._score.errors[f"{command}: {refused.code}"] += 1
            return await self._settle(round_.id, now())

    async def _command(self, command: str, path: str, body: dict[str, object]) -> Round:
        """Ask until it is answered with the round, then wait until nothing of it is pending."""
        key = f"{self._table}-{secrets.token_hex(8)}"
        began = now()
        tries = 0
        while True:
            tries += 1
            reply = await self._try("POST", path, body, key, command)
            round_ = reply.round if reply else None
            if reply and round_:
                break
            if now() - began > self._patience_s:
                raise Impatient(f"{command} found no answer in {self._patience_s:g} s")
            await asyncio.sleep((reply and reply.retry_after_s) or self._dice.uniform(0.05, 0.3))
        self._score.samples.append(Sample(command, reply.status, tries, began, now()))
        known = self._score.rounds.setdefault(round_.id, Played(self._table, round_))
        known.last, known.settled = round_, reply.settled
        self._note(round_, command)  # what is accepted is, whichever leg the rest waits for
        if not reply.settled:
            round_ = await self._settle(round_.id, began)
            self._note(round_, command)
        for leg in round_.legs:
            if leg.command == command and leg.outcome != "accepted":
                self._score.errors[f"{command}: leg {leg.outcome}"] += 1
        return round_

    async def _try(
        self, method: str, path: str, body: object, key: str | None, command: str
    ) -> Reply | None:
        """Ask once; None and a reply without a round mean: again."""
        try:
            reply = await self._door.ask(method, path, body, key)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._score.errors[f"{command}: {type(error).__name__}"] += 1
            return None
        if reply.round is None:
            if reply.code not in PASSING:
                raise Refused(command, reply)
            self._score.errors[f"{command}: {reply.code}"] += 1
        return reply

    async def _settle(self, round_id: str, began: float) -> Round:
        pause_s = _POLL_S
        while True:
            reply = await self._try("GET", f"/v1/rounds/{round_id}", None, None, "read")
            round_ = reply.round if reply else None
            if reply and round_ is not None:
                known = self._score.rounds[round_id]
                known.last, known.settled = round_, reply.settled
                if reply.settled:
                    return round_
            if now() - began > self._patience_s:
                raise Impatient(f"round {round_id} did not settle in {self._patience_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)

    def _note(self, round_: Round, command: str) -> None:
        took = [leg for leg in round_.legs if leg.command == command and leg.outcome == "accepted"]
        if took:
            self._score.accepted.append((now(), frozenset(leg.environment for leg in took)))
