import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.domain.commands import Kind

Desk = Any
Recorder = Any

SIGNATURE, TOKEN = "signature-in-the-clear", "table-token-in-the-clear"


async def test_a_whole_round_takes_effect_in_order(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.dealt(client)
        finish = await desk.advance(Kind.FINISH, round_id)
        assert await desk.deliver(client, finish) == 1
        leg = (await desk.rows("SELECT * FROM legs"))[0]
        assert (leg["state"], leg["bet_period"]) == ("finished", 60)
        assert leg["bet_stop_at"] > leg["opened_at"]
    effects = desk.sim.effects(environment=desk.world)
    assert [each["operation"] for each in effects] == [
        *("sessions", "start", "bet-stop", "deal", "finish"),
    ]
    assert {each["round"] for each in effects[1:]} == {leg["external_round_id"]}
    assert effects[3]["result"] == "7"
    for kind in (Kind.START, Kind.BET_STOP, Kind.RESULT, Kind.FINISH):
        made = await desk.attempts(round_id, kind)
        assert made[-1]["operation"] == kind.operation
        assert (made[-1]["outcome"], made[-1]["http_status"]) == ("accepted", 200)
        assert made[-1]["instance"] == "table-service-cit-1"


async def test_a_cancel_ends_the_round_at_the_table(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.opened(client)
        await desk.deliver(client, await desk.advance(Kind.CANCEL, round_id, {"reason": "x"}))
    assert (await desk.rows("SELECT state FROM legs"))[0]["state"] == "cancelled"
    assert len(desk.effects("cancel")) == 1
    assert desk.at_table().get().round["status"] == "cancelled"


async def test_every_header_and_body_is_as_the_table_api_wants_it(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TABLE_SIGNATURE_OF_TESTS", SIGNATURE)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    recorder.table = {
        "gameCode": "ARO-001",
        "betPeriod": 60,
        "tableRound": {"roundId": "ext-1", "status": "opened", "createdAt": now},
    }
    await desk.configure(
        base_url=f"http://127.0.0.1:{recorder.port}/v2/service/",
        signature="env:TABLE_SIGNATURE_OF_TESTS",
        table_token=f"file:{tmp_path}/token",
    )
    async with desk.replica() as client:
        before = int(datetime.now(UTC).timestamp() * 1000)
        round_id = await desk.dealt(client, desk.mirror(timecode_offset_ms=5000))
        after = int(datetime.now(UTC).timestamp() * 1000)
        recorder.table["tableRound"]["status"] = "bet-stopped"
        finish = await desk.advance(Kind.FINISH, round_id)
        await desk.deliver(client, finish)
        second = await desk.start(desk.mirror(timecode_offset_ms=5000))
        await desk.deliver(client, second)
        cancel = await desk.advance(Kind.CANCEL, second.leases[0].round_id, {"reason": "x"})
        await desk.hand(client, [replace(cancel.leases[0], look=True)])
    names = [f"{each.method} {each.path.removeprefix('/v2/service')}" for each in recorder.seen]
    assert names == [
        "POST /sessions",
        "POST /tables/ARO-001/start",
        "POST /tables/ARO-001/bet-stop",
        "POST /tables/ARO-001/deal",
        "POST /tables/ARO-001/finish",
        "POST /tables/ARO-001/start",
        "GET /tables/ARO-001",
        "POST /tables/ARO-001/cancel",
    ]
    for each in recorder.seen:
        lowered = {name.lower(): value for name, value in each.headers.items()}
        assert lowered["accept"] == lowered["content-type"] == "application/json"
        assert lowered["x-signature"] == SIGNATURE
        plain = each.path.endswith("/start") or each.method == "GET"
        assert lowered["bearer"] == (f"Bearer {TOKEN}" if plain else TOKEN)
        assert "authorization" not in lowered
        session = "accessToken=session-1"
        assert lowered.get("cookie") == (None if each.path.endswith("/sessions") else session)
        assert ("timecode" in lowered) is each.path.endswith("/deal")
        if each.method == "GET":
            assert each.body == b""
    bodies = {
        each.path.rpartition("/")[2]: json.loads(each.body or b"{}") for each in recorder.seen
    }
    assert bodies == {
        "sessions": {"gameCode": "ARO-001", "role": "sdp"},
        "deal": {"roundId": "ext-1", "roulette": "7"},
        **{name: {} for name in ("start", "bet-stop", "finish", "cancel", "ARO-001")},
    }
    (deal,) = recorder.of("deal")
    lowered = {name.lower(): value for name, value in deal.headers.items()}
    assert before - 1000 <= int(lowered["timecode"]) - 5000 <= after + 1000


async def test_an_environment_without_sessions_asks_for_none(desk: Desk) -> None:
    desk.sim.control("PUT", f"environments/{desk.world}", {"require_session": False})
    await desk.configure(session=False)
    async with desk.replica() as client:
        await desk.opened(client)
    assert desk.effects("sessions") == []
    assert len(desk.effects("start")) == 1


async def test_the_courier_carries_what_nobody_handed_over(desk: Desk) -> None:
    async with desk.replica():
        written = await desk.start("A", "B")
        await desk.give_to_courier(written)
        states = await desk.settled(written.leases[0].round_id, Kind.START)
    assert states == {"A": "accepted", "B": "accepted"}
    assert len(desk.effects("start", "A")) == len(desk.effects("start", "B")) == 1


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer wrong", "Basic inner-key-of-the-tests"])
async def test_without_the_fleets_key_nothing_is_sent(desk: Desk, shown: str) -> None:
    written = await desk.start()
    body = b"[" + written.leases[0].to_wire() + b"]"
    async with desk.replica() as client:
        answer = await client.post("/deliveries", content=body, headers={"authorization": shown})
        assert answer.status_code == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
        stored = await desk.delivery(written.leases[0].round_id, Kind.START)
        assert (stored["state"], str(stored["token"])) == ("sending", written.leases[0].token)
    assert desk.sim.effects(environment=desk.world) == []


async def test_what_is_no_list_of_leases_is_refused(desk: Desk) -> None:
    async with desk.replica() as client:
        for body in (b"", b"{", b"[1]", b'[{"id": "x"}]', b'"text"', b"null"):
            answer = await client.post(
                "/deliveries",
                content=body,
                headers={"authorization": "Bearer inner-key-of-the-tests"},
            )
            assert answer.status_code == 400, body


async def test_an_empty_list_of_leases_is_no_fault(desk: Desk) -> None:
    async with desk.replica() as client:
        answer = await desk.hand(client, [])
        assert (answer.status_code, answer.json()) == (200, {"settled": 0})


async def test_a_lease_that_came_too_late_sends_nothing(desk: Desk) -> None:
    written = await desk.start()
    await desk.conn.execute("UPDATE deliveries SET lease_until = now() - interval '1 s'")
    late = replace(written.leases[0], lease_until=written.leases[0].written_at)
    async with desk.replica() as client:
        answer = await desk.hand(client, [late])
        assert answer.json() == {"settled": 0}
        # the courier is who may go on, and only after a look
        await desk.settled(late.round_id, Kind.START)
    operations = [each["operation"] for each in await desk.attempts(late.round_id, Kind.START)]
    assert operations == ["sessions", "get", "start"]
    assert len(desk.effects("start")) == 1


async def test_a_lease_too_short_for_a_call_is_given_back_unsent(desk: Desk) -> None:
    written = await desk.start(lease_s=0.28)
    async with desk.replica() as client:
        answer = await desk.hand(client, written.leases)
        round_id = written.leases[0].round_id
        await desk.settled(round_id, Kind.START)
    events = await desk.rows("SELECT * FROM events WHERE round_id IS NOT NULL ORDER BY id")
    types = [each["type"] for each in events]
    if answer.json() == {"settled": 1}:
        assert types == ["round.started", "delivery.deferred", "delivery.settled"]
    assert len(desk.effects("start")) == 1
    made = await desk.attempts(round_id, Kind.START)
    assert [each["operation"] for each in made if each["operation"] == "start"] == ["start"]


async def test_a_lease_handed_over_twice_takes_effect_once(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.opened(client)
        stop = await desk.advance(Kind.BET_STOP, round_id)
        assert await desk.deliver(client, stop) == 1
        assert await desk.deliver(client, stop) == 0
        made = await desk.attempts(round_id, Kind.BET_STOP)
    assert [each["operation"] for each in made] == ["bet-stop"]


async def test_a_lease_that_cannot_be_carried_costs_the_others_nothing(desk: Desk) -> None:
    written = await desk.start("GOOD", "BAD")
    good, bad = written.leases
    async with desk.replica() as client:
        await desk.hand(client, [good, replace(bad, config_version=999)])
        stored = await desk.delivery(good.round_id, Kind.START, "GOOD")
        assert stored["state"] == "accepted"
    assert len(desk.effects("start", "GOOD")) == 1


async def test_a_round_none_of_whose_legs_opened_is_over(desk: Desk) -> None:
    await desk.configure()
    for code in ("A", "B"):
        desk.fault("status", "start", code, status=403, code=13003)
    written = await desk.start("A", "B")
    async with desk.replica() as client:
        await desk.deliver(client, written)
    (stored,) = await desk.rows("SELECT * FROM rounds")
    assert (stored["state"], stored["reason"]) == ("cancelled", "No leg opened.")


async def test_leases_of_another_environment_are_not_carried(desk: Desk) -> None:
    async with desk.replica() as client:
        written = await desk.start()
        strayed = [replace(lease, environment="PRD") for lease in written.leases]
        answer = await desk.hand(client, strayed)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_pool")
    assert desk.effects("start") == []
