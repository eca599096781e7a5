"""The round's rules: what each operation does, and when it is refused with which code."""

import re
from datetime import datetime, timedelta

import pytest

from fleetkit.testing import until
from simulator.testing import Reply, Simulator, Target, send


def settle(sim: Simulator, target: Target, **settings: object) -> None:
    path = f"tables/{target.environment}/{target.code}"
    assert sim.control("PUT", path, settings).status == 200


def play_to(target: Target, stage: str) -> str:
    if stage == "none":
        return "ARO-001-20261121-090000-999999"
    round_id = target.do("start").round_id
    if stage == "opened":
        return round_id
    if stage == "cancelled":
        assert target.do("cancel").status == 200
        return round_id
    assert target.do("bet-stop").status == 200
    if stage == "bet-stopped":
        return round_id
    assert target.do("deal", roundId=round_id, roulette="17").status == 200
    if stage == "finished":
        assert target.do("finish").status == 200
    return round_id


def test_a_round_from_start_to_finish(sim: Simulator, target: Target) -> None:
    started = target.do("start")
    assert started.status == 200
    assert started.json()["error"] is None
    assert set(started.table) == {
        *("gameCode", "gameType", "name", "visibility", "betPeriod", "autoBetStop", "pause"),
        *("maintenance", "streams", "sdpConfig", "metadata", "tableRound"),
    }
    assert set(started.round) == {
        *("roundId", "gameCode", "gameType", "status", "betStopTime", "createdAt", "result"),
    }
    assert started.table["betPeriod"] == 15
    assert started.round["status"] == "opened"
    assert re.fullmatch(r"ARO-001-\d{8}-\d{6}-\d{6}", started.round_id)
    assert target.do("bet-stop").round["status"] == "bet-stopped"
    dealt = target.do("deal", roundId=started.round_id, roulette="17")
    assert dealt.round["result"] == {"roulette": "17", "sicBo": None, "baccarat": None}
    assert target.do("finish").round["status"] == "finished"
    assert target.get().round["status"] == "finished"
    second = target.do("start")
    assert second.round_id != started.round_id
    assert second.round["result"] == {"roulette": None, "sicBo": None, "baccarat": None}
    effects = sim.effects(environment=target.environment)
    assert [effect["operation"] for effect in effects] == [
        *("sessions", "start", "bet-stop", "deal", "finish", "start"),
    ]
    assert [effect["result"] for effect in effects[1:5]] == [None, None, "17", None]
    assert {effect["round"] for effect in effects[1:5]} == {started.round_id}


def test_a_table_before_its_first_round_has_status_unknown(target: Target) -> None:
    assert target.get().round["status"] == "unknown"
    assert target.get().round_id == ""


def test_environments_differ_and_their_case_does_not(sim: Simulator, target: Target) -> None:
    started = target.do("start")
    upper = send_as(target, f"/{target.environment.upper()}/v2/service/tables/ARO-001")
    assert upper.round_id == started.round_id
    other = Target(sim.port, f"{target.environment}X", target.code)
    other.open_session()
    assert other.get().round_id == ""


def send_as(target: Target, path: str) -> Reply:
    return send(target.port, "GET", path, b"", headers={"Cookie": f"accessToken={target.token}"})


@pytest.mark.parametrize(
    ("stage", "operation", "status", "code"),
    [
        ("opened", "start", 403, 13003),
        ("bet-stopped", "start", 403, 13003),
        ("dealt", "start", 403, 13003),
        ("none", "bet-stop", 400, 13005),
        ("bet-stopped", "bet-stop", 400, 13013),
        ("finished", "bet-stop", 400, 13012),
        ("cancelled", "bet-stop", 400, 13012),
        ("none", "deal", 400, 13005),
        ("opened", "deal", 400, 13009),
        ("finished", "deal", 400, 13012),
        ("cancelled", "deal", 400, 13012),
        ("none", "finish", 400, 13005),
        ("opened", "finish", 400, 13014),
        ("bet-stopped", "finish", 400, 13014),
        ("finished", "finish", 400, 13012),
        ("none", "cancel", 400, 13005),
        ("finished", "cancel", 400, 13012),
        ("cancelled", "cancel", 400, 13012),
    ],
)
def test_out_of_order_is_refused_and_has_no_effect(
    sim: Simulator, target: Target, *, stage: str, operation: str, status: int, code: int
) -> None:
    round_id = play_to(target, stage)
    before, effects = target.get().body, sim.effects(environment=target.environment)
    body = {"roundId": round_id, "roulette": "17"} if operation == "deal" else {}
    reply = target.do(operation, **body)
    assert (reply.status, reply.code, reply.json()["data"]) == (status, code, None)
    assert target.get().body == before
    assert sim.effects(environment=target.environment) == effects


@pytest.mark.parametrize("stage", ["opened", "bet-stopped", "dealt"])
def test_cancel_of_an_open_round(target: Target, stage: str) -> None:
    play_to(target, stage)
    assert target.do("cancel").round["status"] == "cancelled"
    assert target.do("start").status == 200


def test_deal_is_fenced_by_its_round(target: Target) -> None:
    first = play_to(target, "finished")
    second = play_to(target, "bet-stopped")
    reply = target.do("deal", roundId=first, roulette="3")
    assert (reply.status, reply.code) == (400, 13008)
    assert target.do("deal", roundId=second, roulette="3").status == 200


def test_the_same_deal_again_is_a_repeat_another_is_refused(sim: Simulator, target: Target) -> None:
    round_id = play_to(target, "dealt")
    assert target.do("deal", roundId=round_id, roulette="17").status == 200
    assert target.do("deal", roundId=round_id, roulette="18").code == 13010
    deals = [e for e in sim.effects(environment=target.environment) if e["operation"] == "deal"]
    assert [deal["repeat"] for deal in deals] == [False, True]


@pytest.mark.parametrize(
    ("game_type", "field", "good", "bad"),
    [
        (
            "vip_roulette",
            "roulette",
            ["0", "36"],
            ["37", "00", "-1", "07", "", 7, True, None, ["7"], "1.0"],
        ),
        (
            "sic-bo",
            "sicBo",
            [[1, 2, 3], [6, 6, 6]],
            [[1, 2], [1, 2, 3, 4], [0, 1, 2], [1, 2, 7], ["1", "2", "3"], [True, 1, 2], "123"],
        ),
        (
            "baccarat",
            "baccarat",
            [
                ["S9", "D2", "HK", "C2", "", ""],
                ["S2", "D2", "HK", "C3", "D7", "H2"],
                ["S2", "D3", "H2", "CK", "S8", ""],
            ],
            [
                ["S9", "S9", "HK", "C2", "", ""],
                ["S1", "D2", "HK", "C2", "", ""],
                ["9S", "D2", "HK", "C2", "", ""],
                ["S9", "D2", "HK", "C2", "D4", ""],
                ["S2", "D2", "HK", "C2", "", ""],
                ["S9", "D2", "HK", "", "", ""],
                ["S9", "D2", "HK", "C2"],
                [1, 2, 3, 4, 5, 6],
            ],
        ),
    ],
)
def test_results_are_checked_by_the_game_type(
    sim: Simulator,
    target: Target,
    *,
    game_type: str,
    field: str,
    good: list[object],
    bad: list[object],
) -> None:
    settle(sim, target, game_type=game_type)
    for result in good:
        round_id = play_to(target, "bet-stopped")
        for wrong in bad:
            assert target.do("deal", roundId=round_id, **{field: wrong}).code == 13011, wrong
        assert target.do("deal", roundId=round_id, other="1").code == 13011
        assert target.do("deal", **{field: result}).code == 13002
        dealt = target.do("deal", roundId=round_id, **{field: result})
        assert dealt.status == 200, result
        stored = dealt.round["result"]
        assert isinstance(stored, dict)
        assert stored[field] == result
        assert target.do("finish").status == 200


def test_baccarat_slots_are_a_setting(sim: Simulator, target: Target) -> None:
    settle(sim, target, game_type="baccarat", slots=["P1", "P2", "P3", "B1", "B2", "B3"])
    round_id = play_to(target, "bet-stopped")
    assert (
        target.do("deal", roundId=round_id, baccarat=["S2", "HK", "D7", "D2", "C3", "H2"]).status
        == 200
    )


def test_a_table_stops_bets_itself(sim: Simulator, target: Target) -> None:
    settle(sim, target, bet_period_s=0.25, auto_bet_stop=True, txn_stop_s=0.05)
    started = target.do("start")
    assert (started.table["betPeriod"], started.table["autoBetStop"]) == (1, True)
    created = datetime.fromisoformat(str(started.round["createdAt"]))
    stop = datetime.fromisoformat(str(started.round["betStopTime"]))
    assert stop - created == timedelta(milliseconds=250)
    until(lambda: target.get().round["status"] == "bet-txn-stopped")
    last = sim.effects(environment=target.environment)[-1]
    assert (last["operation"], last["round"]) == ("auto-bet-stop", started.round_id)
    assert last["at"] == started.round["betStopTime"]
    assert target.do("bet-stop").code == 13013
    assert target.do("cancel").round["status"] == "cancelled"


def test_pause_stops_the_next_start_alone(target: Target) -> None:
    round_id = play_to(target, "bet-stopped")
    paused = target.do("pause", reason="shoe change").table["pause"]
    assert isinstance(paused, dict)
    assert (paused["reason"], set(paused)) == ("shoe change", {"reason", "createdBy", "createdAt"})
    assert target.do("deal", roundId=round_id, roulette="1").status == 200
    assert target.do("finish").status == 200
    refused = target.do("start")
    assert (refused.status, refused.code) == (403, 13007)
    error = refused.json()["error"]
    assert isinstance(error, dict)
    assert str(error["message"]).endswith("due to: shoe change")
    assert target.do("resume").table["pause"] is None
    assert target.do("start").status == 200


def test_what_never_changes_a_round(target: Target) -> None:
    round_id = play_to(target, "opened")
    assert target.do("visibility", visibility="disabled").table["visibility"] == "disabled"
    assert target.do("broadcast", msgId="m1", content="", metadata={"code": "x"}).status == 200
    config = target.do("sdp-config", strings="{}", number=0).table["sdpConfig"]
    assert config == {"strings": "{}", "number": 0}
    streams: dict[str, object] = {"main": {"url": "rtmp://video.example/a"}}
    patched = target.send("PATCH", "/tables/ARO-001", {"streams": streams})
    assert patched.table["streams"] == streams
    assert (patched.round_id, patched.round["status"]) == (round_id, "opened")


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("pause", {}),
        ("visibility", {"visibility": "maybe"}),
        ("broadcast", {"content": "x"}),
        ("sdp-config", {"strings": {}, "number": True}),
    ],
)
def test_wrong_bodies_are_refused(target: Target, operation: str, body: dict[str, object]) -> None:
    reply = target.do(operation, **body)
    assert (reply.status, reply.code) == (400, 13002)


def test_bodies_that_are_no_object_are_refused(target: Target) -> None:
    for raw in (b"[]", b"{", b"\xff", b'"x"'):
        assert target.send("POST", "/tables/ARO-001/start", raw).code == 13002
    assert target.send("PATCH", "/tables/ARO-001", {}).code == 13002


def test_a_body_too_deep_to_store_is_refused(target: Target) -> None:
    for depth in (245, 250, 252, 255, 400, 5000):
        raw = b'{"streams":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
        reply = target.send("PATCH", "/tables/ARO-001", raw)
        assert (reply.status, depth) == (200 if depth < 250 else 400, depth)
    assert target.get().status == 200


def test_unknown_paths_and_methods(target: Target) -> None:
    assert target.do("explode").status == 404
    assert target.do("patch").status == 404
    assert target.send("GET", "/tables/ARO-001/start").status == 405
    assert target.send("DELETE", "/tables/ARO-001").status == 405
    assert target.send("GET", "/tables/").status == 404
    assert target.send("GET", "/tables/%2e%2e%2fx").status == 404
