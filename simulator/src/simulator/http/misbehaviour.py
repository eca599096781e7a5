"""Answering a call the way its faults want it answered."""

import asyncio
from typing import Protocol

from simulator.domain.calls import Call
from simulator.domain.faults import Fault, Kind, Plan
from simulator.domain.refusals import Code
from simulator.domain.world import World
from simulator.http.answers import HTML_PAGE, Answer, encode_cut, encode_dressed
from simulator.http.envelopes import answer_call, refuse, turn_away

HALF = Answer(200, b'{"error":null,"data":{"table":{"gameCode":')
RESETS = frozenset({Kind.REFUSE, Kind.RESET, Kind.RESET_AFTER})


class Wire(Protocol):
    """What a misbehaving answer needs of its connection."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def reset(self) -> None: ...

    def is_closing(self) -> bool: ...


async def misbehave(world: World, call: Call, plan: Plan, wire: Wire, *, keep_alive: bool) -> bool:
    """Carry the plan out; true when the connection may go on to its next request.

    A caller that goes away does not stop it: a late effect still takes place, as it would.
    """
    await asyncio.sleep(plan.before_s)
    act = plan.act
    answer = answer_call(world, call) if act is None or act.after_effect else None
    await asyncio.sleep(plan.after_s)
    if act is not None and act.kind in RESETS:
        wire.reset()
        return False
    if act is not None and act.kind is Kind.HANG:
        return False
    if act is not None and act.kind is Kind.CUT:
        wire.write(encode_cut(answer or HALF))
        wire.close()
        return False
    if act is not None:
        answer = _replace(world, call, act)
    data = encode_dressed(answer or HALF, plan, keep_alive=keep_alive)
    await _write(wire, data, plan.trickle_s)
    if plan.close or not keep_alive:
        wire.close()
        return False
    return True


async def _write(wire: Wire, data: bytes, trickle_s: float) -> None:
    if not trickle_s:
        wire.write(data)
        return
    for at in range(len(data)):
        if wire.is_closing():
            return
        wire.write(data[at : at + 1])
        await asyncio.sleep(trickle_s)


def _replace(world: World, call: Call, act: Fault) -> Answer:
    match act.kind:
        case Kind.HTML:
            return Answer(200, HTML_PAGE, "text/html; charset=utf-8")
        case Kind.EMPTY:
            return Answer(200, b"")
        case Kind.RETRY_AFTER:
            body = turn_away(act.status, act.message).body
            return Answer(act.status, body, retry_after=act.value)
        case Kind.SESSION_EXPIRED:
            table = world.find_table(call.environment.name, call.code)
            if table is not None:
                table.sessions.expire(call.token)
            return refuse(401, Code.SESSION_EXPIRED, "session expired")
        case _ if act.code is not None:
            return refuse(act.status, act.code, act.message)
        case _:
            return turn_away(act.status, act.message)
