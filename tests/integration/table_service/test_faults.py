"""Every way a table can misbehave, on every command: rightly judged, one effect in the end."""

import asyncio
from typing import Any

import pytest

from fleetkit.testing import eventually, free_port
from ledger.domain.commands import ROUND_KINDS, Kind

Desk = Any

# What strikes the first call, and what its attempt is then judged to be: outcome and cause.
FAULTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "HANG": ("hang", {}, "unknown", "timeout"),
    "HANG-AFTER": ("hang", {"effect": "after"}, "unknown", "timeout"),
    "RESET": ("reset", {}, "unknown", "connection"),
    "RESET-AFTER": ("reset_after", {}, "unknown", "connection"),
    "FIVE": ("status", {"status": 503}, "unknown", "server"),
    "FIVE-AFTER": ("status", {"status": 500, "effect": "after"}, "unknown", "server"),
    "HTML": ("html", {}, "unknown", "protocol"),
    "HTML-AFTER": ("html", {"effect": "after"}, "unknown", "protocol"),
    "EMPTY": ("empty", {}, "unknown", "protocol"),
    "EMPTY-AFTER": ("empty", {"effect": "after"}, "unknown", "protocol"),
    "CUT": ("cut", {"effect": "before"}, "unknown", "connection"),
    "CUT-AFTER": ("cut", {"effect": "after"}, "unknown", "connection"),
    "TRICKLE": ("trickle", {"ms": 20}, "unknown", "timeout"),
    "SLOW": ("latency", {"ms": 30}, "accepted", "none"),
    "LATE": ("latency", {"ms": 2200}, "unknown", "timeout"),
    "LATE-AFTER": ("latency", {"ms": 2200, "effect": "after"}, "unknown", "timeout"),
    "RATE": ("retry_after", {"value": "1"}, "not_sent", "rate_limited"),
    "RATE-DATE": (
        "retry_after",
        {"value": "Wed, 21 Oct 2015 07:28:00 GMT"},
        "not_sent",
        "rate_limited",
    ),
    "SESSION": ("session_expired", {}, "not_sent", "session"),
    "SUPERSEDED": ("status", {"status": 401, "code": 13041}, "not_sent", "session"),
    "AWAY": ("status", {"status": 403, "code": 13042}, "not_sent", "unavailable"),
    "UNAUTHORISED": ("status", {"status": 401}, "not_sent", "session"),
    "GZIP": ("gzip", {}, "accepted", "none"),
    "CHUNKED": ("chunked", {}, "accepted", "none"),
    "CLOSE": ("close", {}, "accepted", "none"),
    "CLOSE-UNSAID": ("close", {"announce": False}, "accepted", "none"),
}


@pytest.mark.parametrize("kind", ROUND_KINDS)
async def test_a_fault_is_judged_rightly_and_the_command_takes_effect_once(
    desk: Desk, kind: Kind
) -> None:
    # each fault has a table of its own, so that neither breaker nor retry budget comes into it
    await desk.configure(quick=True, limits={"concurrency": 200})
    codes = sorted(FAULTS)
    async with desk.replica() as client:
        if kind is Kind.START:
            arm(desk, kind, codes)
            written = await desk.start(*codes)
            round_id = written.leases[0].round_id
        else:
            prepare = {Kind.RESULT: desk.stopped, Kind.FINISH: desk.dealt}.get(kind, desk.opened)
            round_id = await prepare(client, *codes)
            arm(desk, kind, codes)
            written = await desk.advance(kind, round_id)
        assert len(written.leases) == len(codes)
        await desk.deliver(client, written)
        states = await desk.settled(round_id, kind)
        assert states == dict.fromkeys(codes, "accepted")
        judged, effects = {}, {}
        for code in codes:
            made = await desk.attempts(round_id, kind, code)
            first = next(each for each in made if each["operation"] == kind.operation)
            judged[code] = (first["outcome"], first["cause"])
            done = desk.effects(kind.operation, code)
            # the table itself takes the same deal twice for one
            effects[code] = len([each for each in done if not each["repeat"]])
    assert judged == {code: FAULTS[code][2:] for code in codes}
    assert effects == dict.fromkeys(codes, 1)


def arm(desk: Desk, kind: Kind, codes: list[str]) -> None:
    for code in codes:
        named, fields, *_ = FAULTS[code]
        desk.fault(named, kind.operation, code, **fields)


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [(403, 13003, "13003"), (400, 13003, "13003"), (403, 13007, "13007"), (404, None, "http_404")],
)
async def test_a_refusal_is_final_and_said_in_a_sentence(
    desk: Desk, status: int, code: int | None, shown: str
) -> None:
    fields = {"status": status, "message": "table paused due to: wheel check"}
    await desk.configure()
    desk.fault("status", "start", **fields, **({"code": code} if code else {}))
    written = await desk.start()
    async with desk.replica() as client:
        await desk.deliver(client, written)
    stored = await desk.delivery(written.leases[0].round_id, Kind.START)
    assert (stored["state"], stored["code"], stored["attempts"]) == ("rejected", shown, 1)
    assert stored["detail"]
    if shown == "13007":
        assert "wheel check" in stored["detail"]
    assert desk.effects("start") == []


async def test_a_start_refused_by_the_round_that_stands_open_is_not_repaired(desk: Desk) -> None:
    await desk.configure()
    desk.at_table().do("start")
    written = await desk.start()
    async with desk.replica() as client:
        await desk.deliver(client, written)
    stored = await desk.delivery(written.leases[0].round_id, Kind.START)
    assert (stored["state"], stored["code"]) == ("rejected", "13003")
    assert len(desk.effects("start")) == 1


async def test_where_nobody_listens_nothing_was_sent(desk: Desk) -> None:
    await desk.configure(base_url=f"http://127.0.0.1:{free_port()}/v2/service", session=False)
    written = await desk.start(deadline_s=1)
    async with desk.replica() as client:
        await desk.deliver(client, written)
        states = await desk.settled(written.leases[0].round_id, Kind.START)
        assert states == {"ARO-001": "expired"}
        made = await desk.attempts(written.leases[0].round_id, Kind.START)
    assert {(each["outcome"], each["cause"]) for each in made} == {("not_sent", "refused")}
    assert "get" not in {each["operation"] for each in made}


async def test_a_hanging_target_keeps_nobody_else_waiting(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 5000})
    desk.fault("hang", "start", "HUNG")
    written = await desk.start("A", "HUNG", "B")
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        handing = asyncio.create_task(desk.hand(client, written.leases))

        async def others() -> bool:
            states = await desk.states(round_id, Kind.START)
            return bool(states == {"A": "accepted", "B": "accepted", "HUNG": "sending"})

        await eventually(others)
        assert not handing.done()
        assert (await handing).json() == {"settled": 3}


async def test_a_busy_target_takes_no_place_of_another(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 5000}, limits={"concurrency": 10, "per_target": 1})
    desk.fault("hang", "start", "HUNG")
    hung = await desk.start("HUNG", table="HUNG")
    async with desk.replica() as client:
        handing = asyncio.create_task(desk.hand(client, hung.leases))
        for number in range(3):
            written = await desk.start(f"T-{number}", table=f"T-{number}")
            assert await desk.deliver(client, written) == 1
        assert not handing.done()
        await handing


async def test_the_answer_to_a_start_that_was_lost_is_found_by_looking(desk: Desk) -> None:
    await desk.configure()
    desk.fault("reset_after", "start")
    written = await desk.start()
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        await desk.deliver(client, written)
        assert await desk.settled(round_id, Kind.START) == {"ARO-001": "accepted"}
    (effect,) = desk.effects("start")
    (leg,) = await desk.rows("SELECT * FROM legs")
    assert leg["external_round_id"] == effect["round"]
    assert (leg["state"], leg["bet_period"]) == ("opened", 60)
    operations = [each["operation"] for each in await desk.attempts(round_id, Kind.START)]
    assert operations == ["sessions", "start", "get"]


async def test_other_results_at_the_table_are_a_conflict_and_an_alert(desk: Desk) -> None:
    await desk.configure(quick=True)
    async with desk.replica() as client:
        round_id = await desk.stopped(client)
        (leg,) = await desk.rows("SELECT * FROM legs")
        desk.at_table().do("deal", roundId=leg["external_round_id"], roulette="9")
        desk.fault("hang", "deal")
        written = await desk.advance(Kind.RESULT, round_id)
        await desk.deliver(client, written)
        assert await desk.settled(round_id, Kind.RESULT) == {"ARO-001": "rejected"}
    stored = await desk.delivery(round_id, Kind.RESULT)
    assert stored["code"] == "result_conflict"
    assert len(await desk.rows("SELECT * FROM events WHERE type = 'alert.raised'")) == 1
    assert [each["result"] for each in desk.effects("deal")] == ["9"]


async def test_a_finish_repeated_after_a_lost_answer_hits_no_other_round(desk: Desk) -> None:
    await desk.configure(quick=True)
    async with desk.replica() as client:
        round_id = await desk.dealt(client)
        ours = desk.effects("start")[0]["round"]
        other = desk.at_table()
        desk.fault("hang", "finish", effect="after")
        desk.fault("hang", "get")
        written = await desk.advance(Kind.FINISH, round_id)
        await desk.deliver(client, written)
        assert other.do("start").status == 200
        await desk.settled(round_id, Kind.FINISH)
        assert other.get().round["status"] == "opened"
    assert [each["round"] for each in desk.effects("finish")] == [ours]
