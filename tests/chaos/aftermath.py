"""When all is well again: what people had to mend, what still stands, and the proof."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from chaos.ground import Ground
from native.demo.views import ENDED
from stress import proof
from stress.door import Door
from stress.program import verify
from stress.score import Score

_MEND_S: Final = 90.0
_PAUSE_S: Final = 0.5
_UNENDED: Final = ("open", "bet_stopped", "dealt")
_LATER: Final = frozenset({"not_seen"})


@dataclass(slots=True)
class Aftermath:
    """What was found."""

    mended: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    effects: int = 0
    verified: dict[str, Any] = field(default_factory=dict)
    surprises: int = 0


async def see(ground: Ground, door: Door, tables: Sequence[str], score: Score) -> Aftermath:
    """Mend as the drift of each table says, then hold ledger and tables against each other."""
    found = Aftermath(wrong=list(score.failures))
    found.wrong += await _mend(door, tables, found.mended)
    for state in _UNENDED:
        rounds = (await _ask(door, "GET", f"/v1/rounds?state={state}&limit=200"))["rounds"]
        found.wrong += (f"{one['round']} on {one['table']} is still {state}" for one in rounds)
    for round_id, played in score.rounds.items():
        reply = await door.ask("GET", f"/v1/rounds/{round_id}")
        if reply.round is None:
            found.wrong.append(f"{round_id}, which a console was told of, is gone: {reply.body}")
            continue
        if played.last.state in ENDED and played.last.state != reply.round.state:
            found.wrong.append(f"{round_id} was {played.last.state}, is {reply.round.state}")
        played.last, played.settled = reply.round, reply.settled
    effects = await asyncio.to_thread(_read_effects, ground)
    found.effects = len(effects)
    found.wrong += proof.compare(score.rounds, effects)
    holds, found.verified = await asyncio.to_thread(
        verify,
        {"PITBOSS_DATABASE_URL": ground.database_url},
        *("--simulator", f"http://127.0.0.1:{ground.tables.port}"),
    )
    if not holds:
        broken = [one for one in found.verified["checks"] if not one["ok"]]
        found.wrong += (f"verify: {one['sentence']} {one['rows']}" for one in broken)
    found.surprises = sum(
        path.read_text(errors="replace").count("error.stack_trace")
        for path in ground.places.logs.glob("*.log")
    )
    return found


async def _mend(door: Door, tables: Sequence[str], mended: list[str]) -> list[str]:
    """Do each repair that is offered until none is; give what nothing was offered for."""
    until = time.monotonic() + _MEND_S
    while True:
        targets: list[dict[str, Any]] = []
        for table in tables:
            targets += (await _ask(door, "GET", f"/v1/tables/{table}/drift"))["targets"]
        drifting = [one for one in targets if one["drift"]]
        unresolved = (await _ask(door, "GET", "/v1/rounds?unresolved=true&limit=200"))["rounds"]
        if not drifting and not unresolved:
            return []
        if time.monotonic() > until:
            said = [
                f"{one['environment']} {one['game_code']}: {one['sentence']}" for one in drifting
            ]
            return [*said, *(f"unresolved: {orjson.dumps(one).decode()}" for one in unresolved)]
        for one in drifting:
            if one["repair"] and one["drift"] not in _LATER:
                await _repair(door, one["repair"])
                mended.append(f"{one['environment']} {one['game_code']}: {one['drift']}")
        await asyncio.sleep(_PAUSE_S)


async def _repair(door: Door, call: str) -> None:
    method, path, *rest = call.split(" ", 2)
    body = orjson.loads(rest[0]) if rest else {}
    if path.endswith(("/cancel", "/retry", "/skip")):
        body["reason"] = "Mended after a chaos run, as the drift says."
    await door.ask(method, path, body)  # refused where it has changed since; then looked at again


async def _ask(door: Door, method: str, path: str) -> dict[str, Any]:
    """Ask until it is answered: the fleet may have come back this very moment."""
    until = time.monotonic() + _MEND_S
    while True:
        try:
            reply = await door.ask(method, path)
        except (aiohttp.ClientError, OSError):
            reply = None
        if reply and reply.status == 200:
            return dict(reply.body)
        if time.monotonic() > until:
            raise TimeoutError(f"{path} was not answered: {reply}")
        await asyncio.sleep(_PAUSE_S)


def _read_effects(ground: Ground) -> list[dict[str, Any]]:
    answer: Any = ground.tables.control("GET", "effects")
    effects: list[dict[str, Any]] = answer["effects"]
    if answer["dropped"]:
        raise RuntimeError("the simulator dropped effects, so nothing can be proved")
    return [one for one in effects if one["operation"] != "sessions"]
