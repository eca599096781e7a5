from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fleetkit.testing import eventually
from ledger.domain.commands import Kind

Desk = Any
Recorder = Any


async def test_bets_are_stopped_at_their_time_on_their_round(desk: Desk) -> None:
    await desk.configure()
    desk.sim.control("PUT", f"tables/{desk.world}/ARO-001", {"bet_period_s": 1})
    async with desk.replica() as client:
        round_id = await desk.opened(client)
        (leg,) = await desk.rows("SELECT * FROM legs")
        assert await desk.settled(round_id, Kind.BET_STOP) == {"ARO-001": "accepted"}
        made = await desk.attempts(round_id, Kind.BET_STOP)
    assert [each["operation"] for each in made] == ["bet-stop"]
    assert made[0]["at"] >= leg["bet_stop_at"] - timedelta(milliseconds=20)
    (effect,) = desk.effects("bet-stop")
    assert effect["round"] == leg["external_round_id"]


async def test_a_timer_stops_no_bets_of_a_later_round(desk: Desk) -> None:
    await desk.configure()
    desk.sim.control("PUT", f"tables/{desk.world}/ARO-001", {"bet_period_s": 3})
    async with desk.replica() as client:
        first = await desk.opened(client)
        (leg,) = await desk.rows("SELECT * FROM legs")
        await desk.deliver(client, await desk.advance(Kind.CANCEL, first))
        desk.sim.control("PUT", f"tables/{desk.world}/ARO-001", {"bet_period_s": 60})
        second = await desk.opened(client)
        assert await desk.states(first, Kind.BET_STOP) == {"ARO-001": "superseded"}
        assert await desk.states(second, Kind.BET_STOP) == {"ARO-001": "pending"}
        await eventually(lambda: datetime.now(UTC) > leg["bet_stop_at"] + timedelta(seconds=0.2))
        assert desk.at_table().get().round["status"] == "opened"
    assert desk.effects("bet-stop") == []


async def test_a_timer_outlives_the_replica_that_opened_the_round(desk: Desk) -> None:
    await desk.configure()
    desk.sim.control("PUT", f"tables/{desk.world}/ARO-001", {"bet_period_s": 1})
    async with desk.replica(1) as client:
        round_id = await desk.opened(client)
    async with desk.replica(2):
        assert await desk.settled(round_id, Kind.BET_STOP) == {"ARO-001": "accepted"}
    assert len(desk.effects("bet-stop")) == 1


async def test_a_table_that_stops_its_own_bets_is_left_to_it(desk: Desk) -> None:
    await desk.configure()
    desk.sim.control("PUT", f"tables/{desk.world}/OWN", {"auto_bet_stop": True})
    async with desk.replica() as client:
        round_id = await desk.opened(client, "OWN")
        assert await desk.states(round_id, Kind.BET_STOP) == {}


async def test_a_result_while_bets_are_open_stops_them_first(desk: Desk) -> None:
    async with desk.replica() as client:
        round_id = await desk.opened(client, "A", "B")
        await desk.deliver(client, await desk.advance(Kind.RESULT, round_id))
        states = await desk.settled(round_id, Kind.RESULT)
    assert states == {"A": "accepted", "B": "accepted"}
    for code in ("A", "B"):
        done = [each["operation"] for each in desk.sim.effects(environment=desk.world, table=code)]
        assert done == ["sessions", "start", "bet-stop", "deal"]


async def test_an_automatic_finish_follows_the_deal(desk: Desk) -> None:
    await desk.configure()
    async with desk.replica() as client:
        target = desk.mirror(finish_policy="auto", deal_to_finish_ms=300)
        round_id = await desk.dealt(client, target)
        assert await desk.settled(round_id, Kind.FINISH) == {"ARO-001": "accepted"}

        async def over() -> bool:
            (stored,) = await desk.rows("SELECT state FROM rounds")
            return bool(stored["state"] == "finished")

        await eventually(over)
    (leg,) = await desk.rows("SELECT * FROM legs")
    (made,) = await desk.attempts(round_id, Kind.FINISH)
    assert made["at"] >= leg["dealt_at"] + timedelta(milliseconds=280)


async def test_a_start_that_opened_after_its_deadline_is_cancelled(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 2000})
    desk.fault("latency", "start", ms=1500)
    written = await desk.start(deadline_s=0.6)
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        await desk.deliver(client, written)
        assert await desk.settled(round_id, Kind.START) == {"ARO-001": "expired"}
        assert await desk.settled(round_id, Kind.CANCEL) == {"ARO-001": "accepted"}
    assert len(desk.effects("start")) == len(desk.effects("cancel")) == 1
    assert desk.at_table().get().round["status"] == "cancelled"


async def test_a_late_start_of_a_required_leg_is_an_alert(desk: Desk) -> None:
    await desk.configure(timeouts={"start": 2000})
    desk.fault("latency", "start", ms=1500)
    written = await desk.start(desk.mirror(primary=True), deadline_s=0.6)
    round_id = written.leases[0].round_id
    async with desk.replica() as client:
        await desk.deliver(client, written)
        assert await desk.settled(round_id, Kind.START) == {"ARO-001": "expired"}
        assert await desk.states(round_id, Kind.CANCEL) == {}
    (event,) = await desk.rows("SELECT data FROM events WHERE type = 'alert.raised'")
    assert event["data"]["code"] == "late_start"
    assert desk.effects("cancel") == []


async def test_a_cancel_of_a_start_that_never_was_does_not_hold_the_target(desk: Desk) -> None:
    written = await desk.start()
    round_id = written.leases[0].round_id
    await desk.rows(
        """UPDATE deliveries SET state = 'pending', token = NULL, lease_until = NULL,
                  outcome = 'not_sent', due_at = now() + interval '1 minute' RETURNING id"""
    )
    cancel = await desk.advance(Kind.CANCEL, round_id)
    # as if the cancel were a minute old: what could still have arrived has arrived by then
    lease = replace(cancel.leases[0], written_at=cancel.leases[0].written_at - timedelta(minutes=1))
    async with desk.replica() as client:
        await desk.hand(client, [lease])
        stored = await desk.delivery(round_id, Kind.CANCEL)
        assert (stored["state"], stored["code"]) == ("superseded", "nothing_to_cancel")
        assert await desk.deliver(client, await desk.start()) == 1
    assert desk.effects("cancel") == []


async def test_a_cancel_long_after_a_start_whose_answer_was_lost_still_cancels(
    desk: Desk, recorder: Recorder
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=3)
    recorder.table = {
        "gameCode": "ARO-001",
        "betPeriod": 60,
        "tableRound": {"roundId": "ext-1", "status": "opened", "createdAt": began.isoformat()},
    }
    await desk.configure(base_url=f"http://127.0.0.1:{recorder.port}/v2/service")
    written = await desk.start()
    round_id = written.leases[0].round_id
    await desk.conn.execute(
        """UPDATE deliveries SET state = 'unknown', token = NULL, lease_until = NULL, look = true,
                  first_sent_at = $1, created_at = $1, attempts = 1""",
        began,
    )
    await desk.conn.execute("UPDATE rounds SET started_at = $1", began)
    cancel = await desk.advance(Kind.CANCEL, round_id)
    async with desk.replica() as client:
        await desk.deliver(client, cancel)
        assert [each.path.rpartition("/")[2] for each in recorder.of("cancel")] == ["cancel"]
