from datetime import timedelta
from typing import Any

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Opened
from ledger.domain.history import replay
from ledger.domain.rounds import Round
from ledger.store import deliveries, events, repairs, rounds
from ledger.store.repairs import Repair

Ledger = Any


async def told(ledger: Ledger, round_id: str, at: Any = None) -> Round:
    await events.seal(ledger.conn, round_id)
    history = await events.of_round(ledger.conn, round_id)
    assert history is not None
    found = replay(round_id, history.table, history.events, at)
    assert found is not None
    return found


async def assert_told_as_it_stands(ledger: Ledger, round_id: str) -> None:
    stands = await rounds.get(ledger.conn, round_id)
    assert stands is not None
    shown = await told(ledger, round_id)
    assert shown.legs == stands.legs
    for name in ("id", "table", "type", "state", "result", "last_command", "outcome", "skew_ms"):
        assert getattr(shown, name) == getattr(stands, name), name
    # One statement writes the row and the event, each at a moment of its own.
    assert abs(shown.started_at - stands.started_at) < timedelta(seconds=10)


async def test_the_history_of_a_whole_round_tells_it_at_every_step(ledger: Ledger) -> None:
    targets = [ledger.target("PRD", primary=True), ledger.target("CIT")]
    round_id = await ledger.opened(*targets, bets_s=60)
    await assert_told_as_it_stands(ledger, round_id)
    for kind in (Kind.BET_STOP, Kind.RESULT, Kind.FINISH):
        for lease in (await ledger.advance(kind, round_id)).leases:
            await ledger.settle(lease)
        await assert_told_as_it_stands(ledger, round_id)
    stands = await rounds.get(ledger.conn, round_id)
    assert stands is not None
    assert (stands.state, {leg.state for leg in stands.legs}) == ("finished", {"finished"})


async def test_a_leg_that_failed_and_a_cancel_are_told(ledger: Ledger) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.accept_start(cit, bets_s=60)
    await ledger.settle(uat, "rejected", code="13007", detail="paused")
    await assert_told_as_it_stands(ledger, cit.round_id)
    cancel = await ledger.advance(Kind.CANCEL, cit.round_id, {"reason": "no ball"})
    await assert_dropped(ledger, cit.round_id, {"bet-stop"})
    for lease in cancel.leases:
        await ledger.settle(lease)
    await assert_told_as_it_stands(ledger, cit.round_id)


async def assert_dropped(ledger: Ledger, round_id: str, kinds: set[str]) -> None:
    dropped = await ledger.rows(
        """SELECT data FROM events WHERE round_id = $1 AND type = 'delivery.settled'
              AND data ->> 'state' = 'superseded'""",
        round_id,
    )
    assert {row["data"]["kind"] for row in dropped} == kinds
    assert all(row["data"]["code"] and row["data"]["detail"] for row in dropped)


async def test_what_a_failed_start_made_pointless_is_in_the_history(ledger: Ledger) -> None:
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    cit, uat = written.leases
    await ledger.advance(Kind.RESULT, cit.round_id)
    await ledger.accept_start(uat)
    await ledger.settle(cit, "rejected", code="13003")
    await assert_dropped(ledger, cit.round_id, {"result"})
    leg = next(leg for leg in (await told(ledger, cit.round_id)).legs if leg.environment == "CIT")
    assert leg.last is not None
    assert (leg.state, leg.last.command, leg.last.state) == ("failed", "result", "superseded")


async def test_a_lease_given_back_is_in_the_history(ledger: Ledger) -> None:
    written = await ledger.start()
    await deliveries.release(ledger.conn, written.leases, detail="nobody there")
    await assert_told_as_it_stands(ledger, written.leases[0].round_id)


async def test_a_round_that_ends_by_itself_says_so(ledger: Ledger) -> None:
    written = await ledger.start()
    (lease,) = written.leases
    await ledger.settle(lease, "expired", code="deadline")
    await rounds.conclude(ledger.conn, [lease.round_id])
    await rounds.conclude(ledger.conn, [lease.round_id])
    await assert_told_as_it_stands(ledger, lease.round_id)
    ends = await ledger.rows("SELECT data FROM events WHERE type = 'round.cancelled'")
    assert [row["data"] for row in ends] == [{"reason": "No leg opened."}]
    round_id = await ledger.dealt(ledger.target(finish_policy="auto"))
    while leases := await ledger.claim():
        await ledger.settle(leases[0])
    await rounds.conclude(ledger.conn, [round_id])
    await assert_told_as_it_stands(ledger, round_id)


async def test_a_failover_and_a_late_start_are_told(ledger: Ledger) -> None:
    written = await ledger.start()
    lease = await deliveries.switch(ledger.conn, written.leases[0], "ARO-001-B", reason="refused")
    assert lease is not None
    await ledger.settle(
        lease,
        "expired",
        code="late_start",
        opened=Opened("r9", 15, None, auto_bet_stop=True),
        cancel_late=True,
    )
    shown = await told(ledger, lease.round_id)
    stands = await rounds.get(ledger.conn, lease.round_id)
    assert stands is not None
    assert (shown.legs[0].served_by, shown.legs[0].external_round_id) == ("ARO-001-B", "r9")
    for leg in (shown.legs[0], stands.legs[0]):
        assert leg.last is not None
        assert (leg.state, leg.last.command, leg.last.state) == ("failed", "cancel", "pending")


async def test_repairs_are_told(ledger: Ledger) -> None:
    round_id = await ledger.opened(ledger.target("CIT"), ledger.target("UAT"))
    for lease in (await ledger.advance(Kind.BET_STOP, round_id)).leases:
        await ledger.settle(lease)
    result = await ledger.advance(Kind.RESULT, round_id)
    for lease in result.leases:
        await ledger.settle(lease, "rejected", code="13011")
    by = Repair("01JD0000000000000000000009", "operator-1", "the table is back")
    ids = {lease.environment: lease.id for lease in result.leases}
    await repairs.reopen(ledger.conn, [ids["CIT"]], by)
    await repairs.skip(ledger.conn, [ids["UAT"]], by)
    shown, stands = await told(ledger, round_id), await rounds.get(ledger.conn, round_id)
    assert stands is not None
    for round_ in (shown, stands):
        lasts = [leg.last for leg in round_.legs]
        assert [(last.command, last.state) for last in lasts if last] == [
            ("result", "unknown"),
            ("result", "skipped"),
        ]
    while leases := await ledger.claim():
        await ledger.settle(leases[0])
    await assert_told_as_it_stands(ledger, round_id)


async def test_a_round_is_shown_as_it_was(ledger: Ledger) -> None:
    round_id = await ledger.dealt()
    await events.seal(ledger.conn, round_id)
    history = await events.of_round(ledger.conn, round_id)
    assert history is not None
    assert [event.number for event in history.events] == [*range(1, len(history.events) + 1)]
    opened = next(event for event in history.events if event.type == "delivery.settled")
    # As callers know the time: in milliseconds.
    at = opened.at.replace(microsecond=opened.at.microsecond // 1000 * 1000)
    round_ = await told(ledger, round_id, at)
    assert round_.state == "open"
    assert round_.legs[0].state == "opened"
    began = history.events[0].at
    assert replay(round_id, "ARO-001", history.events, began - timedelta(seconds=1)) is None
    assert await events.of_round(ledger.conn, "01JD0000000000000000000000") is None


async def test_what_is_due_is_sealed_once_by_sealers_at_the_same_time(ledger: Ledger) -> None:
    ids = []
    for code in ("A", "B"):
        written = await ledger.start(ledger.target("CIT", code), table=code)
        await ledger.accept_start(written.leases[0])
        ids.append(written.leases[0].round_id)
    young = await events.seal_due(ledger.conn, older_than=timedelta(hours=1), limit=10)
    assert young == 0
    other = await ledger.another("pitboss_gateway")
    async with other.conn.transaction():
        assert await events.seal(other.conn, ids[0]) == 2
        assert await events.seal_due(ledger.conn, older_than=timedelta(0), limit=10) == 1
    assert await events.seal_due(ledger.conn, older_than=timedelta(0), limit=10) == 0
    assert not await ledger.rows("SELECT FROM events WHERE number IS NULL")
