"""The Table API's envelope: a performed call as its answer."""

from simulator.domain.calls import Call, perform
from simulator.domain.instants import read_clock, render
from simulator.domain.refusals import RefusedError, TurnedAwayError
from simulator.domain.tables import Round, Status, Table
from simulator.domain.world import World
from simulator.http.answers import Answer, make_json


def answer_call(world: World, call: Call) -> Answer:
    try:
        done = perform(world, call, read_clock())
    except RefusedError as error:
        return refuse(error.status, error.code, error.message)
    except TurnedAwayError as error:
        return turn_away(error.status, error.message)
    content = {"token": done} if isinstance(done, str) else {"table": _render_table(done)}
    return make_json(200, {"error": None, "data": content})


def refuse(status: int, code: int, message: str) -> Answer:
    return make_json(status, {"error": {"code": int(code), "message": message}, "data": None})


def turn_away(status: int, message: str) -> Answer:
    return make_json(status, {"message": message})


def _render_table(table: Table) -> dict[str, object]:
    settings = table.settings
    pause = table.pause
    return {
        "gameCode": table.code,
        "gameType": settings.game_type,
        "name": table.code,
        "visibility": table.visibility,
        "betPeriod": -(-settings.bet_period_ms // 1000),
        "autoBetStop": settings.auto_bet_stop,
        "pause": None
        if pause is None
        else {
            "reason": pause.reason,
            "createdBy": pause.created_by,
            "createdAt": render(pause.created_ms),
        },
        "maintenance": None,
        "streams": table.streams,
        "sdpConfig": table.sdp_config,
        "metadata": {},
        "tableRound": _render_round(table, table.round),
    }


def _render_round(table: Table, current: Round | None) -> dict[str, object]:
    result: dict[str, object] = {"roulette": None, "sicBo": None, "baccarat": None}
    if current is not None and current.field is not None:
        result[current.field] = current.result
    return {
        "roundId": "" if current is None else current.round_id,
        "gameCode": table.code,
        "gameType": table.settings.game_type,
        "status": Status.UNKNOWN if current is None else current.status,
        "betStopTime": None if current is None else render(current.bet_stop_ms),
        "createdAt": None if current is None else render(current.created_ms),
        "result": result,
    }
