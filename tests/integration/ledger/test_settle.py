from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Attempt, Opened, Settlement
from ledger.store import deliveries, repairs, rounds
from ledger.store.repairs import Repair

Ledger = Any


async def test_a_stale_token_writes_nothing_but_its_attempts(ledger: Ledger) -> None:
    written = await ledger.start()
    (stale,) = written.leases
    await ledger.make_due(stale.round_id)
    (fresh,) = await ledger.claim()
    assert await ledger.accept_start(stale) == []
    stored = await ledger.delivery(stale.round_id, Kind.START)
    assert (stored["state"], str(stored["token"])) == ("sending", fresh.token)
    assert (await ledger.leg(stale.round_id))["state"] == "pending"
    (attempt,) = await ledger.rows("SELECT * FROM attempts")
    assert (attempt["delivery_id"], attempt["fenced"]) == (stale.id, True)
    (settled,) = await ledger.accept_start(fresh)
    assert (settled.id, settled.state, settled.kind) == (fresh.id, "accepted", Kind.START)
    assert await ledger.accept_start(fresh) == []
    fenced = await ledger.rows("SELECT fenced FROM attempts ORDER BY at")
    assert [row["fenced"] for row in fenced] == [True, False, True]
    assert len(await ledger.rows("SELECT * FROM events WHERE type = 'delivery.settled'")) == 1


async def test_settlements_of_one_statement_are_fenced_one_by_one(ledger: Ledger) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.settle(uat, "rejected", code="13007")
    opened = Opened("r1", 15, None, auto_bet_stop=False)
    both = [Settlement(each, "accepted", datetime.now(UTC), opened=opened) for each in (cit, uat)]
    came = await deliveries.settle(ledger.conn, both, instance="table-service-cit-1")
    assert [each.id for each in came] == [cit.id]
    assert (await ledger.leg(cit.round_id, "UAT"))["state"] == "failed"


async def test_what_a_start_told_is_kept_on_its_leg(ledger: Ledger) -> None:
    written = await ledger.start()
    (lease,) = written.leases
    stop = datetime.now(UTC) + timedelta(seconds=15)
    at = datetime.now(UTC)
    await ledger.settle(lease, at=at, opened=Opened("ext-1", 15, stop, auto_bet_stop=True))
    leg = await ledger.leg(lease.round_id)
    assert (leg["state"], leg["external_round_id"], leg["bet_period"]) == ("opened", "ext-1", 15)
    assert (leg["bet_stop_at"], leg["auto_bet_stop"], leg["opened_at"]) == (stop, True, at)
    stored = await ledger.delivery(lease.round_id, Kind.START)
    assert stored["settled_at"] is not None
    assert (stored["attempts"], stored["first_sent_at"], stored["latency_ms"]) == (1, at, 12.5)


@pytest.mark.parametrize(
    ("option", "auto", "scheduled"),
    [("driver", False, True), ("driver", True, True), ("auto", False, True), ("auto", True, False)],
)
async def test_a_timer_is_written_where_we_stop_the_bets(
    ledger: Ledger, option: str, *, auto: bool, scheduled: bool
) -> None:
    round_id = await ledger.opened(ledger.target(bet_stop=option), bets_s=15, auto=auto)
    stored = await ledger.delivery(round_id, Kind.BET_STOP)
    assert (stored is not None) is scheduled
    if stored is not None:
        assert stored["due_at"] == (await ledger.leg(round_id))["bet_stop_at"]
        assert stored["scheduled"]


async def test_each_accepted_command_moves_its_leg(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    states = [(await ledger.leg(round_id))["state"]]
    for kind in (Kind.BET_STOP, Kind.RESULT, Kind.FINISH):
        written = await ledger.advance(kind, round_id)
        await ledger.settle(written.leases[0])
        states.append((await ledger.leg(round_id))["state"])
    assert states == ["opened", "bet_stopped", "dealt", "finished"]


async def test_what_was_not_accepted_leaves_the_leg_where_it_was(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    for kind in (Kind.BET_STOP, Kind.RESULT):
        (lease,) = (await ledger.advance(kind, round_id)).leases
        for state in ("unknown", "pending"):
            await ledger.settle(lease, state, look=True, due_at=datetime.now(UTC))
            assert (await ledger.leg(round_id))["state"] == "opened"
            (lease,) = await ledger.claim()
        await ledger.settle(lease, "rejected", code="13011")
        assert (await ledger.leg(round_id))["state"] == "opened"


async def test_an_unsettled_delivery_keeps_when_to_look_again(ledger: Ledger) -> None:
    written = await ledger.start()
    due = datetime.now(UTC) + timedelta(seconds=30)
    await ledger.settle(written.leases[0], "unknown", look=True, due_at=due, cause="timeout")
    stored = await ledger.delivery(written.leases[0].round_id, Kind.START)
    assert (stored["state"], stored["look"], stored["due_at"]) == ("unknown", True, due)
    assert (stored["token"], stored["lease_until"], stored["settled_at"]) == (None, None, None)
    (event,) = await ledger.rows("SELECT data FROM events WHERE type = 'delivery.deferred'")
    assert event["data"]["cause"] == "timeout"
    assert "next_attempt_at" in event["data"]


async def test_looking_is_an_attempt_but_no_call_that_counts(ledger: Ledger) -> None:
    written = await ledger.start()
    (lease,) = written.leases
    at = datetime.now(UTC)
    calls = tuple(
        Attempt(at, operation, "accepted", "none", 200, None, None, 1.0)
        for operation in ("sessions", "get", "start")
    )
    await ledger.settle(lease, attempts=calls, opened=Opened("r1", 15, None, auto_bet_stop=False))
    stored = await ledger.delivery(lease.round_id, Kind.START)
    assert stored["attempts"] == 1
    made = await ledger.rows("SELECT operation, instance FROM attempts ORDER BY operation")
    assert [row["operation"] for row in made] == ["get", "sessions", "start"]
    assert {row["instance"] for row in made} == {"table-service-cit-1"}


async def test_an_automatic_finish_is_scheduled_after_the_deal(ledger: Ledger) -> None:
    target = ledger.target("CIT", finish_policy="auto", deal_to_finish_ms=2000)
    round_id = await ledger.dealt(target)
    stored = await ledger.delivery(round_id, Kind.FINISH)
    assert (stored["state"], stored["scheduled"]) == ("pending", True)
    leg = await ledger.leg(round_id)
    assert stored["due_at"] - leg["dealt_at"] == timedelta(seconds=2)


async def test_a_manual_table_is_not_finished_by_itself(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    assert await ledger.delivery(round_id, Kind.FINISH) is None


async def test_a_finish_that_came_early_waits_from_the_moment_the_deal_was_taken(
    ledger: Ledger,
) -> None:
    round_id = await ledger.opened(ledger.target(deal_to_finish_ms=2000))
    stop = await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.settle(stop.leases[0])
    result = await ledger.advance(Kind.RESULT, round_id)
    assert (await ledger.advance(Kind.FINISH, round_id)).leases == ()
    dealt_at = datetime.now(UTC) + timedelta(seconds=30)
    await ledger.settle(result.leases[0], at=dealt_at)
    stored = await ledger.delivery(round_id, Kind.FINISH)
    assert stored["due_at"] == dealt_at + timedelta(seconds=2)


@pytest.mark.parametrize("state", ["rejected", "expired"])
async def test_what_waits_for_a_start_that_failed_is_superseded(ledger: Ledger, state: str) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.advance(Kind.RESULT, cit.round_id)
    await ledger.settle(cit, state, code="13003")
    await ledger.accept_start(uat, bets_s=60)
    states = await ledger.states(cit.round_id)
    assert states["CIT result"] == "superseded"
    assert states["UAT result"] == "pending"
    stored = await ledger.delivery(cit.round_id, Kind.RESULT)
    assert stored["code"] == "not_started"
    assert (await ledger.leg(cit.round_id))["state"] == "failed"


async def test_a_late_start_on_a_best_effort_leg_is_adopted_and_cancelled(ledger: Ledger) -> None:
    written = await ledger.start()
    (lease,) = written.leases
    opened = Opened("late-1", 15, datetime.now(UTC) + timedelta(seconds=9), auto_bet_stop=False)
    await ledger.settle(lease, "expired", code="late_start", opened=opened, cancel_late=True)
    assert await ledger.states(lease.round_id) == {"CIT start": "expired", "CIT cancel": "pending"}
    assert (await ledger.leg(lease.round_id))["external_round_id"] == "late-1"
    (cancel,) = await ledger.claim()
    assert (cancel.kind, cancel.look, cancel.external_round_id) == (Kind.CANCEL, True, "late-1")
    assert "reason" in cancel.body


async def test_an_alert_is_an_event_of_its_own(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    stop = await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.settle(stop.leases[0])
    result = await ledger.advance(Kind.RESULT, round_id)
    await ledger.settle(
        result.leases[0], "rejected", code="result_conflict", detail="Another.", alert=True
    )
    (event,) = await ledger.rows("SELECT * FROM events WHERE type = 'alert.raised'")
    assert event["data"]["code"] == "result_conflict"
    assert (event["environment"], event["data"]["kind"]) == ("CIT", "result")


async def test_settled_says_whether_something_waits_behind_it(ledger: Ledger) -> None:
    round_id = await ledger.opened(bets_s=60)
    result = await ledger.advance(Kind.RESULT, round_id)
    (stop,) = await ledger.settle(result.leases[0])
    assert stop.followed
    (lease,) = await ledger.claim()
    (settled,) = await ledger.settle(lease)
    assert not settled.followed


async def test_release_gives_back_what_never_left(ledger: Ledger) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.accept_start(uat)
    await deliveries.release(ledger.conn, written.leases, detail="No replica was reached.")
    stored = await ledger.delivery(cit.round_id, Kind.START)
    assert (stored["state"], stored["outcome"]) == ("pending", "not_sent")
    assert stored["detail"] == "No replica was reached."
    assert (await ledger.delivery(cit.round_id, Kind.START, "UAT"))["state"] == "accepted"
    (again,) = await ledger.claim()
    assert (again.id, again.look) == (cit.id, False)


async def test_a_round_of_which_nothing_opened_is_over(ledger: Ledger) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.settle(cit, "rejected", code="13003")
    await rounds.conclude(ledger.conn, [cit.round_id])
    assert (await ledger.round(cit.round_id))["state"] == "open"
    await ledger.settle(uat, "expired")
    await rounds.conclude(ledger.conn, [cit.round_id])
    stored = await ledger.round(cit.round_id)
    assert (stored["state"], stored["reason"]) == ("cancelled", "No leg opened.")
    assert (await ledger.start()).leases != ()


async def test_a_round_that_finished_by_itself_on_every_leg_is_over(ledger: Ledger) -> None:
    target = ledger.target("CIT", finish_policy="auto")
    round_id = await ledger.dealt(target)
    await rounds.conclude(ledger.conn, [round_id])
    assert (await ledger.round(round_id))["state"] == "dealt"
    (finish,) = await ledger.claim()
    await ledger.settle(finish)
    await rounds.conclude(ledger.conn, [round_id])
    assert (await ledger.round(round_id))["state"] == "finished"


async def test_a_round_reads_back_as_its_legs_with_their_last_command(ledger: Ledger) -> None:
    round_id = await ledger.opened(ledger.target("CIT"), ledger.target("UAT"), bets_s=60)
    found: Any = await rounds.get(ledger.conn, round_id)
    assert [(leg.environment, leg.state, leg.last.command) for leg in found.legs] == [
        ("CIT", "opened", "start"),
        ("UAT", "opened", "start"),
    ]
    assert (found.outcome, found.settled) == ("complete", True)
    result = await ledger.advance(Kind.RESULT, round_id)
    found = await rounds.get(ledger.conn, round_id)
    assert (found.state, found.outcome, found.settled) == ("dealt", "pending", False)
    assert all(leg.last.command == "result" for leg in found.legs)
    assert found.result == {"roulette": "7"}
    assert len(result.leases) == 2
    assert await rounds.open_on(ledger.conn, "ARO-001") == round_id
    (unresolved,) = await rounds.find(ledger.conn, rounds.Filter(unresolved=True))
    assert unresolved == found
    assert await rounds.find(ledger.conn, rounds.Filter(unresolved=False)) == []


@pytest.mark.parametrize("way", ["retried", "skipped", "leg cancelled", "round cancelled"])
async def test_an_alert_is_cleared_with_what_people_decide(ledger: Ledger, way: str) -> None:
    round_id = await ledger.opened(ledger.target("CIT"), ledger.target("UAT"))
    for each in (await ledger.advance(Kind.BET_STOP, round_id)).leases:
        await ledger.settle(each)
    refused = (await ledger.advance(Kind.RESULT, round_id)).leases
    for each in refused:
        await ledger.settle(each, "rejected", code="moved_on", detail="Another.", alert=True)
    ours = {each.environment: each.id for each in refused}
    gateway = await ledger.another("pitboss_gateway")
    repair = Repair("01JD0000000000000000000001", "ops", "seen to")
    if way == "retried":
        await repairs.reopen(gateway.conn, [ours["CIT"]], repair)
        (again,) = await ledger.claim()
        await ledger.settle(again, "rejected", code="moved_on", detail="Another.", alert=True)
        for _ in range(2):
            await repairs.skip(gateway.conn, [ours["CIT"]], repair)
        expected = [("CIT", "retried"), ("CIT", "skipped")]
    elif way == "skipped":
        assert await repairs.skip(gateway.conn, [ours["CIT"]], repair) == 1
        expected = [("CIT", "skipped")]
    elif way == "leg cancelled":
        leg = await ledger.leg(round_id, "CIT")
        assert await repairs.cancel_leg(gateway.conn, leg["id"], repair)
        expected = [("CIT", "cancelled")]
    else:
        assert await gateway.advance(Kind.CANCEL, round_id, {"reason": "seen to"})
        expected = [("CIT", "cancelled"), ("UAT", "cancelled")]
    cleared = await ledger.rows("SELECT * FROM events WHERE type = 'alert.cleared' ORDER BY id")
    found = [(each["environment"], each["data"]["code"]) for each in cleared]
    assert (sorted(found) if "cancelled" in way else found) == expected
    for each in cleared:
        assert each["round_id"] == round_id
        assert each["data"]["delivery"] == ours[each["environment"]]
        assert each["data"]["reason"] == "seen to"
