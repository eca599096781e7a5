import asyncio
from typing import Any

import pytest

from ledger.domain.commands import ROUND_KINDS, Kind

Ledger = Any


async def test_a_result_while_bets_are_open_hastens_the_stop_and_follows_it(ledger: Ledger) -> None:
    round_id = await ledger.opened(bets_s=60)
    assert (await ledger.delivery(round_id, Kind.BET_STOP))["scheduled"]
    written = await ledger.advance(Kind.RESULT, round_id)
    (stop,) = written.leases
    assert stop.kind is Kind.BET_STOP
    assert written.waiting == {"CIT"}
    stored = await ledger.delivery(round_id, Kind.BET_STOP)
    assert (stored["state"], stored["scheduled"]) == ("sending", False)
    assert await ledger.claim() == []
    await ledger.settle(stop)
    (result,) = await ledger.claim()
    assert (result.kind, result.leg_state, result.look) == (Kind.RESULT, "bet_stopped", False)
    assert result.body == {"roulette": "7"}
    assert (await ledger.round(round_id))["state"] == "dealt"


@pytest.mark.parametrize("kind", [Kind.BET_STOP, Kind.RESULT])
async def test_a_stop_that_is_late_already_stays_due_when_it_was(
    ledger: Ledger, kind: Kind
) -> None:
    """Nobody could stop the bets in time, then a person does: the lateness is still seen."""
    round_id = await ledger.opened(bets_s=-2)
    due_at = (await ledger.delivery(round_id, Kind.BET_STOP))["due_at"]
    written = await ledger.advance(kind, round_id)
    (stop,) = (lease for lease in written.leases if lease.kind is Kind.BET_STOP)
    assert stop.due_at == due_at


async def test_a_result_after_the_bets_were_stopped_goes_at_once(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    stop = await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.settle(stop.leases[0])
    written = await ledger.advance(Kind.RESULT, round_id)
    assert [lease.kind for lease in written.leases] == [Kind.RESULT]
    assert written.waiting == frozenset()


async def test_a_result_needs_no_stop_where_the_table_has_stopped_by_itself(
    ledger: Ledger,
) -> None:
    round_id = await ledger.opened(bets_s=-1, auto=True)
    written = await ledger.advance(Kind.RESULT, round_id)
    assert [lease.kind for lease in written.leases] == [Kind.RESULT]


async def test_a_result_before_a_table_stops_by_itself_stops_its_bets_first(ledger: Ledger) -> None:
    round_id = await ledger.opened(bets_s=60, auto=True)
    assert await ledger.delivery(round_id, Kind.BET_STOP) is None
    written = await ledger.advance(Kind.RESULT, round_id)
    assert [lease.kind for lease in written.leases] == [Kind.BET_STOP]


async def test_a_result_given_before_the_start_was_answered_stops_the_bets_first(
    ledger: Ledger,
) -> None:
    for auto in (False, True):
        written = await ledger.start(ledger.target("CIT", f"T-{auto}"), table=f"T-{auto}")
        (start,) = written.leases
        result = await ledger.advance(Kind.RESULT, start.round_id)
        assert result.leases == ()
        await ledger.accept_start(start, bets_s=60, auto=auto)
        claimed = await ledger.claim()
        assert [lease.kind for lease in claimed] == [Kind.BET_STOP], f"auto {auto}"
        await ledger.settle(claimed[0])
        assert [lease.kind for lease in await ledger.claim()] == [Kind.RESULT]


async def test_of_two_different_results_at_once_one_wins(ledger: Ledger) -> None:
    round_id = await ledger.opened(ledger.target("CIT"), ledger.target("UAT"))
    consoles = [await ledger.another("pitboss_gateway") for _ in range(4)]
    came = await asyncio.gather(
        *(
            console.advance(Kind.RESULT, round_id, {"roulette": str(number)})
            for number, console in enumerate(consoles)
        )
    )
    won = [number for number, written in enumerate(came) if written is not None]
    assert len(won) == 1
    stored = await ledger.rows("SELECT body FROM deliveries WHERE kind = 'result'")
    assert [row["body"] for row in stored] == [{"roulette": str(won[0])}] * 2
    assert (await ledger.round(round_id))["result"] == {"roulette": str(won[0])}
    commands = await ledger.rows("SELECT * FROM commands WHERE kind = 'result'")
    assert len(commands) == 1


async def test_a_second_result_finds_the_round_moved_and_writes_nothing(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    assert await ledger.advance(Kind.RESULT, round_id, {"roulette": "8"}) is None
    assert (await ledger.round(round_id))["result"] == {"roulette": "7"}


async def test_a_finish_waits_until_the_table_may_be_finished(ledger: Ledger) -> None:
    round_id = await ledger.dealt(ledger.target("CIT", deal_to_finish_ms=60_000))
    written = await ledger.advance(Kind.FINISH, round_id)
    assert (written.leases, written.waiting) == ((), {"CIT"})
    stored = await ledger.delivery(round_id, Kind.FINISH)
    leg = await ledger.leg(round_id)
    assert (stored["due_at"] - leg["dealt_at"]).total_seconds() == 60
    assert await ledger.claim() == []
    await ledger.make_due(round_id)
    assert [lease.kind for lease in await ledger.claim()] == [Kind.FINISH]


async def test_a_finish_is_written_for_legs_with_a_result_only(ledger: Ledger) -> None:
    targets = (ledger.target("CIT"), ledger.target("UAT"), ledger.target("PRD"))
    round_id = await ledger.opened(*targets)
    await ledger.advance(Kind.BET_STOP, round_id)
    for row in await ledger.rows("SELECT id FROM deliveries WHERE state = 'sending'"):
        await ledger.conn.execute(
            """UPDATE deliveries SET state = 'accepted', token = NULL, lease_until = NULL,
                      settled_at = now() WHERE id = $1""",
            row["id"],
        )
    result = await ledger.advance(Kind.RESULT, round_id)
    by_environment = {lease.environment: lease for lease in result.leases}
    await ledger.settle(by_environment["CIT"])
    await ledger.settle(by_environment["UAT"], "rejected", code="13011")
    written = await ledger.advance(Kind.FINISH, round_id)
    assert [lease.environment for lease in written.leases] == ["CIT"]
    assert written.waiting == {"PRD"}
    await ledger.settle(by_environment["PRD"])
    assert [lease.kind for lease in await ledger.claim("PRD")] == [Kind.FINISH]


async def test_a_round_without_any_accepted_result_is_not_finished(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    stop = await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.settle(stop.leases[0])
    result = await ledger.advance(Kind.RESULT, round_id)
    await ledger.settle(result.leases[0], "rejected", code="13011")
    assert await ledger.advance(Kind.FINISH, round_id) is None
    assert (await ledger.round(round_id))["state"] == "dealt"


async def test_commands_out_of_order_are_not_written(ledger: Ledger) -> None:
    round_id = await ledger.opened()
    assert await ledger.advance(Kind.FINISH, round_id) is None
    await ledger.advance(Kind.CANCEL, round_id)
    for kind in ROUND_KINDS:
        if kind is not Kind.START:
            assert await ledger.advance(kind, round_id) is None
    commands = await ledger.rows("SELECT kind FROM commands ORDER BY created_at")
    assert [row["kind"] for row in commands] == ["start", "cancel"]


async def test_a_cancel_supersedes_what_waits_and_not_what_is_in_flight(ledger: Ledger) -> None:
    written = await ledger.start(
        ledger.target("CIT"), ledger.target("UAT"), ledger.target("PRD"), ledger.target("STG")
    )
    legs = {lease.environment: lease for lease in written.leases}
    round_id = legs["CIT"].round_id
    await ledger.settle(legs["CIT"], "pending", outcome="not_sent")
    await ledger.settle(legs["UAT"], "unknown", look=True)
    await ledger.accept_start(legs["STG"], bets_s=60)
    cancel = await ledger.advance(Kind.CANCEL, round_id, {"reason": "wheel stopped"})
    assert await ledger.states(round_id) == {
        "CIT start": "superseded",
        "UAT start": "superseded",
        "PRD start": "sending",
        "STG start": "accepted",
        "STG bet-stop": "superseded",
        "CIT cancel": "sending",
        "UAT cancel": "sending",
        "PRD cancel": "pending",
        "STG cancel": "sending",
    }
    looks = {lease.environment: lease.look for lease in cancel.leases}
    assert looks == {"CIT": True, "UAT": True, "STG": False}
    stored = await ledger.round(round_id)
    assert (stored["state"], stored["reason"]) == ("cancelled", "wheel stopped")
    assert stored["ended_at"] is not None


async def test_an_automatic_finish_is_taken_over_by_a_manual_one(ledger: Ledger) -> None:
    target = ledger.target("CIT", finish_policy="auto", deal_to_finish_ms=0)
    round_id = await ledger.dealt(target)
    scheduled = await ledger.delivery(round_id, Kind.FINISH)
    written = await ledger.advance(Kind.FINISH, round_id)
    (finish,) = written.leases
    assert finish.id == scheduled["id"]
    assert finish.command_id != scheduled["command_id"]


async def test_each_command_is_an_event_of_its_round(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    finish = await ledger.advance(Kind.FINISH, round_id)
    await ledger.settle(finish.leases[0])
    events = await ledger.rows("SELECT type, data FROM events ORDER BY id")
    commands = [row["type"] for row in events if row["type"].startswith("round.")]
    assert commands == ["round.started", "round.bet_stopped", "round.result", "round.finished"]
    result = next(row["data"] for row in events if row["type"] == "round.result")
    assert result["roulette"] == "7"
    settled = [row["data"]["kind"] for row in events if row["type"] == "delivery.settled"]
    assert settled == ["start", "bet-stop", "result", "finish"]
