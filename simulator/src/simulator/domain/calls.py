"""The Table API's operations: what each call does to the world."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.domain.refusals import Code, RefusedError, TurnedAwayError
from simulator.domain.results import Result
from simulator.domain.tables import Pause, Table
from simulator.domain.world import Environment, World

Body = dict[str, object]


@dataclass(slots=True)
class Call:
    """One request to the Table API, read from the wire."""

    operation: str
    environment: Environment
    code: str
    body: Body | None
    token: str | None
    signature: str | None
    caller: str


@dataclass(slots=True)
class Done:
    """What an operation did, for the ledger of effects."""

    round_id: str | None = None
    result: Result | None = None
    repeat: bool = False


def perform(world: World, call: Call, now_ms: int) -> Table | str:
    """Do the call: the table as it is afterwards, or the token of a new session."""
    environment = call.environment
    _check_signature(environment, call.signature)
    if call.body is None:
        raise RefusedError(Code.MALFORMED, "the body is not a JSON object")
    if call.operation == "sessions" and (not call.code or call.body.get("role") != "sdp"):
        raise RefusedError(Code.MALFORMED, 'a session needs gameCode and role "sdp"')
    table = world.find_table(environment.name, call.code)
    if table is None:
        if environment.strict:
            raise TurnedAwayError(404, f"no table {call.code} in {environment.name}")
        table = world.make_table(environment.name, call.code)
    if call.operation == "sessions":
        return _open_session(world, table, call, now_ms)
    if environment.require_session:
        table.sessions.check(call.token, now_ms, supersede=environment.sessions_supersede)
    world.settle(table, now_ms)
    act = ACTS.get(call.operation)
    if act is not None:
        done = act(world, table, call, now_ms)
        world.effects.add(
            now_ms,
            (table.environment, table.code),
            call.operation,
            call.caller,
            round_id=done.round_id,
            result=done.result,
            repeat=done.repeat,
        )
    return table


def _check_signature(environment: Environment, given: str | None) -> None:
    wanted = environment.signature
    if wanted is False:
        return
    if given is None or (wanted is not True and given != wanted):
        raise TurnedAwayError(401, "x-signature is missing or wrong")


def _open_session(world: World, table: Table, call: Call, now_ms: int) -> str:
    token = f"{world.rng.getrandbits(128):032x}"
    ttl_ms = call.environment.session_ttl_ms
    table.sessions.open(token, None if ttl_ms is None else now_ms + ttl_ms)
    world.effects.add(now_ms, (table.environment, table.code), "sessions", call.caller)
    return token


def _start(world: World, table: Table, _call: Call, now_ms: int) -> Done:
    started = table.start(now_ms, world.next_serial())
    if table.settings.auto_bet_stop:
        world.watch(table)
    return Done(started.round_id)


def _stop_bets(_world: World, table: Table, _call: Call, now_ms: int) -> Done:
    return Done(table.stop_bets(now_ms).round_id)


def _deal(_world: World, table: Table, call: Call, _now_ms: int) -> Done:
    given = dict(call.body or {})
    round_id = given.pop("roundId", None)
    if not isinstance(round_id, str):
        raise RefusedError(Code.MALFORMED, "a deal needs roundId, a string")
    repeat = table.deal(round_id, given)
    return Done(round_id, table.round.result if table.round else None, repeat)


def _finish(_world: World, table: Table, _call: Call, _now_ms: int) -> Done:
    return Done(table.finish().round_id)


def _cancel(_world: World, table: Table, _call: Call, _now_ms: int) -> Done:
    return Done(table.cancel().round_id)


def _pause(_world: World, table: Table, call: Call, now_ms: int) -> Done:
    reason = (call.body or {}).get("reason")
    if not isinstance(reason, str):
        raise RefusedError(Code.MALFORMED, "a pause needs reason, a string")
    repeat = table.pause is not None
    table.pause = Pause(reason, "sdp", now_ms)
    return Done(_round_id(table), repeat=repeat)


def _resume(_world: World, table: Table, _call: Call, _now_ms: int) -> Done:
    repeat = table.pause is None
    table.pause = None
    return Done(_round_id(table), repeat=repeat)


def _set_visibility(_world: World, table: Table, call: Call, _now_ms: int) -> Done:
    wanted = (call.body or {}).get("visibility")
    if wanted not in ("visible", "disabled"):
        raise RefusedError(Code.MALFORMED, 'visibility must be "visible" or "disabled"')
    repeat = table.visibility == wanted
    table.visibility = str(wanted)
    return Done(_round_id(table), repeat=repeat)


def _broadcast(_world: World, table: Table, call: Call, _now_ms: int) -> Done:
    body = call.body or {}
    if not isinstance(body.get("msgId"), str) or not isinstance(body.get("metadata"), dict):
        raise RefusedError(Code.MALFORMED, "a broadcast needs msgId and metadata")
    return Done(_round_id(table))


def _configure(_world: World, table: Table, call: Call, _now_ms: int) -> Done:
    body = call.body or {}
    if not isinstance(body.get("strings"), str) or type(body.get("number")) is not int:
        raise RefusedError(Code.MALFORMED, "sdp-config needs strings, a string, and number")
    table.sdp_config = {"strings": body["strings"], "number": body["number"]}
    return Done(_round_id(table))


def _patch(_world: World, table: Table, call: Call, _now_ms: int) -> Done:
    streams = (call.body or {}).get("streams")
    if not isinstance(streams, dict):
        raise RefusedError(Code.MALFORMED, "a patch needs streams, an object")
    table.streams = streams
    return Done(_round_id(table))


def _round_id(table: Table) -> str | None:
    return None if table.round is None else table.round.round_id


ACTS: dict[str, Callable[[World, Table, Call, int], Done]] = {
    "start": _start,
    "bet-stop": _stop_bets,
    "deal": _deal,
    "finish": _finish,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "visibility": _set_visibility,
    "broadcast": _broadcast,
    "sdp-config": _configure,
    "patch": _patch,
}
OPERATIONS = frozenset({*ACTS, "get", "sessions"})
