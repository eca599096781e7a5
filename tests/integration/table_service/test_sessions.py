import asyncio
from typing import Any

import pytest

from fleetkit.testing import free_port
from ledger.domain.commands import Kind

Desk = Any


async def test_a_session_is_opened_once_and_shared_by_two_replicas(desk: Desk) -> None:
    async with desk.replica(1) as one, desk.replica(2) as two:
        round_id = await desk.opened(one, "A", "B")
        stop = await desk.advance(Kind.BET_STOP, round_id)
        await desk.deliver(two, stop)
        result = await desk.advance(Kind.RESULT, round_id)
        await asyncio.gather(*(desk.hand(each, result.leases) for each in (two,)))
    for code in ("A", "B"):
        assert len(desk.effects("sessions", code)) == 1
        made = await desk.attempts(round_id, Kind.BET_STOP, code)
        assert [each["operation"] for each in made] == ["bet-stop"]


async def test_commands_at_once_open_one_session(desk: Desk) -> None:
    # Patient: a session that is not given in time is rightly asked for again.
    await desk.configure(limits={"per_target": 10}, timeouts={"start": 10_000})
    starts = [await desk.start(f"T-{number}", table=f"T-{number}") for number in range(4)]
    async with desk.replica(1) as one, desk.replica(2) as two:
        await asyncio.gather(
            *(desk.hand((one, two)[n % 2], start.leases) for n, start in enumerate(starts))
        )
    for number in range(4):
        assert len(desk.effects("sessions", f"T-{number}")) == 1


async def test_an_expired_session_is_refreshed_once_and_the_command_sent_again(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.opened(client)
        desk.fault("session_expired", "bet-stop")
        await desk.deliver(client, await desk.advance(Kind.BET_STOP, round_id))
        stored = await desk.delivery(round_id, Kind.BET_STOP)
        assert stored["state"] == "accepted"
        made = await desk.attempts(round_id, Kind.BET_STOP)
    assert [each["operation"] for each in made] == ["bet-stop", "sessions", "bet-stop"]
    assert made[0]["code"] == "13040"
    assert len(desk.effects("sessions")) == 2
    assert len(desk.effects("bet-stop")) == 1


async def test_a_superseded_session_is_refreshed_for_both_replicas(desk: Desk) -> None:
    desk.sim.control("PUT", f"environments/{desk.world}", {"sessions_supersede": True})
    async with desk.replica(1) as one, desk.replica(2) as two:
        round_id = await desk.opened(one)
        desk.at_table()
        await desk.deliver(two, await desk.advance(Kind.BET_STOP, round_id))
        await desk.deliver(one, await desk.advance(Kind.RESULT, round_id))
        made = await desk.attempts(round_id, Kind.BET_STOP)
        assert [each["code"] for each in made if each["operation"] == "bet-stop"] == ["13041", None]
        made = await desk.attempts(round_id, Kind.RESULT)
        # the other replica still holds the old token: refused once, it takes the one that is shared
        assert [each["operation"] for each in made] == ["deal", "deal"]
    assert len(desk.effects("sessions")) == 3


async def test_a_session_refused_twice_is_not_asked_for_forever(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.opened(client)
        desk.fault("session_expired", "bet-stop", count=2)
        await desk.deliver(client, await desk.advance(Kind.BET_STOP, round_id))
        made = await desk.attempts(round_id, Kind.BET_STOP)
        assert [each["operation"] for each in made[:3]] == ["bet-stop", "sessions", "bet-stop"]
        assert await desk.settled(round_id, Kind.BET_STOP) == {"ARO-001": "accepted"}
    assert len(desk.effects("bet-stop")) == 1


async def test_without_redis_each_replica_has_its_own_session(desk: Desk) -> None:
    gone = f"redis://127.0.0.1:{free_port()}/0"
    async with desk.replica(1, redis_url=gone) as one, desk.replica(2, redis_url=gone) as two:
        round_id = await desk.opened(one)
        await desk.deliver(one, await desk.advance(Kind.BET_STOP, round_id))
        await desk.deliver(two, await desk.advance(Kind.RESULT, round_id))
        stored = await desk.delivery(round_id, Kind.RESULT)
        assert stored["state"] == "accepted", (stored, await desk.states(round_id, Kind.BET_STOP))
    assert len(desk.effects("sessions")) == 2


@pytest.mark.parametrize("fault", ["hang", "status"])
async def test_a_session_that_was_not_given_is_asked_for_again_in_time(
    desk: Desk, fault: str
) -> None:
    await desk.configure(quick=True)
    desk.fault(fault, "sessions")
    written = await desk.start(deadline_s=20)
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        await desk.deliver(client, written)
        assert await desk.settled(round_id, Kind.START) == {"ARO-001": "accepted"}
        made = await desk.attempts(round_id, Kind.START)
    operations = [each["operation"] for each in made]
    # More often where the machine is so slow that an answer comes after the half second it has.
    assert operations[:2] == ["sessions", "sessions"]
    assert "start" in operations
    assert len(desk.effects("start")) == 1


async def test_a_secret_that_is_missing_is_told_and_found_once_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    await desk.configure(signature="env:SIGNATURE_TO_COME", table_token="env:TOKEN_TO_COME")
    written = await desk.start(deadline_s=60)
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        await desk.deliver(client, written)
        stored = await desk.delivery(round_id, Kind.START)
        assert stored["settled_at"] is None
        (event, *_) = await desk.rows("SELECT data FROM events WHERE type = 'delivery.deferred'")
        assert event["data"]["code"] == "secret_missing"
        assert "env:SIGNATURE_TO_COME" in event["data"]["detail"]
        assert (await client.get("/healthz")).status_code == 200
        monkeypatch.setenv("SIGNATURE_TO_COME", "planted-signature")
        monkeypatch.setenv("TOKEN_TO_COME", "planted-token")
        assert await desk.settled(round_id, Kind.START) == {"ARO-001": "accepted"}
        shared = await client.get("/metrics")
    assert desk.sim.effects(environment=desk.world, table="ARO-001")
    said = "".join(capfd.readouterr()) + shared.text
    rows = str(await desk.rows("SELECT * FROM events")) + str(
        await desk.rows("SELECT * FROM attempts")
    )
    for secret in ("planted-signature", "planted-token", "inner-key-of-the-tests", "accessToken"):
        assert secret not in said + rows
