import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.domain.commands import Kind
from ledger.store import deliveries

Ledger = Any


async def give_back(ledger: Ledger, lease: Any, *, in_s: float = 0) -> None:
    due = datetime.now(UTC) + timedelta(seconds=in_s)
    await ledger.settle(lease, "pending", outcome="not_sent", due_at=due)


async def test_only_what_is_due_is_taken(ledger: Ledger) -> None:
    soon = await ledger.start(ledger.target("CIT", "A"), table="A")
    later = await ledger.start(ledger.target("CIT", "B"), table="B")
    await give_back(ledger, soon.leases[0])
    await give_back(ledger, later.leases[0], in_s=60)
    assert [lease.game_code for lease in await ledger.claim()] == ["A"]
    assert await ledger.claim("UAT") == []


async def test_a_taken_delivery_is_leased_anew_with_all_that_is_needed(ledger: Ledger) -> None:
    written = await ledger.start(deadline_s=30)
    await give_back(ledger, written.leases[0])
    (lease,) = await ledger.claim(lease_s=8)
    stored = await ledger.delivery(lease.round_id, Kind.START)
    assert (str(stored["token"]), stored["state"]) == (lease.token, "sending")
    assert lease.token != written.leases[0].token
    assert 7 < (lease.lease_until - datetime.now(UTC)).total_seconds() <= 8.5
    assert (lease.attempts, lease.look, lease.overtaken) == (1, False, False)
    assert lease.first_sent_at is not None


async def test_a_lease_that_ran_out_is_taken_to_be_looked_at(ledger: Ledger) -> None:
    written = await ledger.start()
    assert await ledger.claim() == []
    await ledger.make_due(written.leases[0].round_id)
    (lease,) = await ledger.claim()
    assert lease.look
    assert lease.id == written.leases[0].id


async def test_one_delivery_a_target_in_order_of_rank(ledger: Ledger) -> None:
    written = await ledger.start()
    round_id = written.leases[0].round_id
    await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.advance(Kind.RESULT, round_id)
    await ledger.advance(Kind.FINISH, round_id)
    await ledger.accept_start(written.leases[0])
    taken = []
    while leases := await ledger.claim():
        (lease,) = leases
        assert await ledger.claim() == []
        taken.append(lease.kind)
        await ledger.settle(lease)
    assert taken == [Kind.BET_STOP, Kind.RESULT, Kind.FINISH]


async def test_a_cancel_overtakes_and_what_it_overtook_is_marked(ledger: Ledger) -> None:
    written = await ledger.start(deadline_s=60)
    (start,) = written.leases
    await ledger.advance(Kind.CANCEL, start.round_id)
    await give_back(ledger, start)
    (cancel,) = await ledger.claim()
    assert (cancel.kind, cancel.look) == (Kind.CANCEL, True)
    await ledger.settle(cancel)
    (overtaken,) = await ledger.claim()
    assert (overtaken.kind, overtaken.overtaken) == (Kind.START, True)


async def test_a_cancel_waits_for_what_is_in_flight(ledger: Ledger) -> None:
    written = await ledger.start()
    await ledger.advance(Kind.CANCEL, written.leases[0].round_id)
    assert await ledger.claim() == []


async def test_a_guarded_command_looks_first_when_an_earlier_one_was_not_accepted(
    ledger: Ledger,
) -> None:
    round_id = await ledger.opened()
    stop = await ledger.advance(Kind.BET_STOP, round_id)
    await ledger.settle(stop.leases[0], "rejected", code="13013")
    result = await ledger.advance(Kind.RESULT, round_id)
    assert result.leases[0].look, "bets may still be open"
    await ledger.settle(result.leases[0])
    finish = await ledger.advance(Kind.FINISH, round_id)
    assert finish.leases[0].look
    await give_back(ledger, finish.leases[0])
    assert (await ledger.claim())[0].look


async def test_a_scheduled_bet_stop_is_taken_at_its_time_and_not_before(ledger: Ledger) -> None:
    round_id = await ledger.opened(bets_s=60)
    assert await ledger.claim() == []
    stored = await ledger.delivery(round_id, Kind.BET_STOP)
    assert (stored["state"], stored["scheduled"]) == ("pending", True)
    await ledger.make_due(round_id)
    (stop,) = await ledger.claim()
    assert (stop.kind, stop.external_round_id, stop.look) == (Kind.BET_STOP, "ARO-001-r1", False)
    assert not (await ledger.delivery(round_id, Kind.BET_STOP))["scheduled"]


async def test_live_traffic_goes_ahead_of_the_backlog(ledger: Ledger) -> None:
    for code in ("A", "B", "C"):
        written = await ledger.start(ledger.target("CIT", code), table=code)
        await give_back(ledger, written.leases[0])
    await ledger.conn.execute("UPDATE deliveries SET attempts = 0 WHERE game_code = 'C'")
    taken = [(await ledger.claim(limit=1))[0].game_code for _ in range(3)]
    assert taken == ["C", "A", "B"]


async def test_two_couriers_never_take_the_same_delivery(ledger: Ledger) -> None:
    for number in range(60):
        code = f"T-{number:02}"
        written = await ledger.start(ledger.target("CIT", code), table=code, deadline_s=60)
        await give_back(ledger, written.leases[0])
    couriers = [await ledger.another("pitboss_table_service") for _ in range(6)]

    async def take(courier: Ledger) -> list[str]:
        taken: list[str] = []
        while leases := await courier.claim(limit=3):
            taken += [lease.id for lease in leases]
        return taken

    came = await asyncio.gather(*(take(courier) for courier in couriers))
    taken = [each for part in came for each in part]
    taken += [lease.id for lease in await ledger.claim()]
    assert len(taken) == len(set(taken)) == 60


async def test_couriers_that_race_keep_every_leg_in_order(ledger: Ledger) -> None:
    rounds = []
    for number in range(20):
        code = f"T-{number:02}"
        target = ledger.target("CIT", code, finish_policy="auto", bet_stop="driver")
        written = await ledger.start(target, table=code, deadline_s=60)
        rounds.append(written.leases[0].round_id)
        await ledger.advance(Kind.RESULT, rounds[-1])
        await give_back(ledger, written.leases[0])
    couriers = [await ledger.another("pitboss_table_service") for _ in range(5)]
    order: dict[str, list[Kind]] = {round_id: [] for round_id in rounds}

    async def carry(courier: Ledger) -> None:
        idle = 0
        while idle < 50 and any(len(kinds) < 4 for kinds in order.values()):
            leases = await courier.claim(limit=4)
            idle = 0 if leases else idle + 1
            for lease in leases:
                order[lease.round_id].append(lease.kind)
                if lease.kind is Kind.START:
                    await courier.accept_start(lease, bets_s=60)
                else:
                    await courier.settle(lease)

    await asyncio.gather(*(carry(courier) for courier in couriers))
    wanted = [Kind.START, Kind.BET_STOP, Kind.RESULT, Kind.FINISH]
    assert all(kinds == wanted for kinds in order.values()), order


async def test_next_due_is_the_earliest_of_timers_and_leases(ledger: Ledger) -> None:
    async def next_due() -> datetime | None:
        return await deliveries.next_due(ledger.conn, "CIT")

    assert await next_due() is None
    written = await ledger.start(lease_s=5)
    (start,) = written.leases
    assert await next_due() == start.lease_until
    await ledger.accept_start(start, bets_s=60)
    stop = await ledger.delivery(start.round_id, Kind.BET_STOP)
    assert await next_due() == stop["due_at"]
    await ledger.advance(Kind.RESULT, start.round_id, lease_s=4)
    stop = await ledger.delivery(start.round_id, Kind.BET_STOP)
    assert await next_due() == stop["lease_until"]
    assert await deliveries.next_due(ledger.conn, "UAT") is None
