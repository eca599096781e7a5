import asyncio
from typing import Any

import asyncpg
import pytest

from fleetkit import ids
from ledger.domain.commands import Kind

Ledger = Any


async def test_start_writes_round_command_legs_leased_deliveries_and_event(ledger: Ledger) -> None:
    targets = [
        ledger.target("PRD", "ARO-001", primary=True, bet_stop="driver", timecode_offset_ms=5000),
        ledger.target("CIT", "ARO-001-C", finish_policy="auto", deal_to_finish_ms=2000),
    ]
    written = await ledger.start(*targets, deadline_s=3, lease_s=4)
    (round_id,) = {lease.round_id for lease in written.leases}
    stored = await ledger.round(round_id)
    assert (stored["state"], stored["table_id"]) == ("open", "ARO-001")
    (command,) = await ledger.rows("SELECT * FROM commands")
    assert (command["id"], command["kind"]) == (stored["last_command"], "start")
    assert (command["deadline_at"] - command["created_at"]).total_seconds() == pytest.approx(
        3, abs=0.5
    )
    prd, cit = await ledger.leg(round_id, "PRD"), await ledger.leg(round_id, "CIT")
    assert (prd["required"], prd["bet_stop"], prd["timecode_offset_ms"]) == (True, "driver", 5000)
    assert (cit["required"], cit["finish_policy"], cit["deal_to_finish_ms"]) == (
        False,
        "auto",
        2000,
    )
    assert [lease.environment for lease in written.leases] == ["PRD", "CIT"]
    for lease in written.leases:
        row = await ledger.delivery(round_id, Kind.START, lease.environment)
        assert row is not None
        assert (row["state"], str(row["token"])) == ("sending", lease.token)
        assert row["lease_until"] == lease.lease_until > lease.written_at
        assert (lease.leg_state, lease.look, lease.attempts) == ("pending", False, 0)
        assert ids.is_ulid(lease.id)
    (event,) = await ledger.rows("SELECT * FROM events")
    assert event["type"] == "round.started"
    assert event["data"]["legs"] == [
        {"environment": "PRD", "game_code": "ARO-001", "required": True},
        {"environment": "CIT", "game_code": "ARO-001-C", "required": False},
    ]
    assert event["data"]["actor"] == "dealer-1"
    assert written.waiting == frozenset()


async def test_of_two_starts_at_once_one_wins_and_the_other_leaves_nothing(ledger: Ledger) -> None:
    consoles = [await ledger.another("pitboss_gateway") for _ in range(4)]
    starts = [
        console.start(ledger.target("CIT"), ledger.target("UAT"), ledger.target("PRD"))
        for console in consoles
    ]
    came = await asyncio.gather(*starts, return_exceptions=True)
    lost = [each for each in came if isinstance(each, asyncpg.UniqueViolationError)]
    assert len(lost) == 3, came
    # whichever of the two Postgres meets first; the gateway tells them apart
    known = {"rounds_one_open", "deliveries_one_in_flight"}
    assert {each.constraint_name for each in lost} <= known
    counted = {
        name: (await ledger.rows(f"SELECT count(*) AS n FROM {name}"))[0]["n"]  # noqa: S608
        for name in ("rounds", "commands", "legs", "deliveries", "events")
    }
    assert counted == {"rounds": 1, "commands": 1, "legs": 3, "deliveries": 3, "events": 1}


async def test_a_leg_whose_target_still_owes_something_waits_and_the_others_go(
    ledger: Ledger,
) -> None:
    first = await ledger.dealt(ledger.target("CIT"), ledger.target("UAT"))
    finish = await ledger.advance(Kind.FINISH, first)
    cit, uat = sorted(finish.leases, key=lambda lease: str(lease.environment))
    await ledger.settle(uat)
    await ledger.settle(cit, "unknown", look=True)
    second = await ledger.start(ledger.target("CIT"), ledger.target("UAT"), ledger.target("PRD"))
    assert [lease.environment for lease in second.leases] == ["UAT", "PRD"]
    assert second.waiting == {"CIT"}
    states = await ledger.states(second.leases[0].round_id)
    assert states == {"CIT start": "pending", "UAT start": "sending", "PRD start": "sending"}


async def test_a_waiting_start_is_taken_once_the_round_before_it_is_settled(ledger: Ledger) -> None:
    first = await ledger.dealt()
    finish = await ledger.advance(Kind.FINISH, first)
    await ledger.settle(finish.leases[0], "unknown", look=True, due_at=None)
    await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    (again,) = await ledger.claim()
    assert (again.kind, again.look) == (Kind.FINISH, True)
    assert await ledger.claim() == []
    await ledger.settle(again)
    (start,) = await ledger.claim()
    assert start.kind is Kind.START
    assert start.known_round_id == "ARO-001-r1"


async def test_a_start_knows_the_round_its_target_showed_last(ledger: Ledger) -> None:
    round_id = await ledger.opened(number="r17")
    cancel = await ledger.advance(Kind.CANCEL, round_id)
    await ledger.settle(cancel.leases[0])
    written = await ledger.start(ledger.target("CIT"), ledger.target("UAT"))
    known = {lease.environment: lease.known_round_id for lease in written.leases}
    assert known == {"CIT": "ARO-001-r17", "UAT": None}


async def test_a_start_without_a_lease_to_spare_is_refused_whole(ledger: Ledger) -> None:
    same = [ledger.target("CIT"), ledger.target("CIT")]
    with pytest.raises(asyncpg.UniqueViolationError):
        await ledger.start(*same)
    assert await ledger.rows("SELECT * FROM rounds") == []
