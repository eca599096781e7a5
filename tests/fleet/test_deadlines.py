"""Starts and their deadlines: what came too late is called off, or told to people."""

from typing import Any

import pytest

from fleet.console import RESULTS, Console
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

RED = RESULTS["speed_roulette"]
SOON_MS, LATE_MS = 1200, 1800


async def told(console: Console, round_id: str, kind: str, environment: str) -> list[Any]:
    """Give the settlements of one command of one leg, in order."""
    return [
        one
        for one in await console.told(round_id, "delivery.settled")
        if (one["kind"], one["environment"]) == (kind, environment)
    ]


async def test_a_late_start_is_cancelled_on_a_best_effort_leg(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.fail("latency", environment="CIT", table=table, operation="start", ms=LATE_MS)
    answer = await console.start(table, deadline_ms=SOON_MS)
    assert answer.status == 207, answer.content
    round_id = answer.round.round
    await eventually(lambda: tables.counts(table, "cancel")["CIT"] == 1)
    started, cancelled = tables.effects(table, "CIT")
    assert (started.operation, cancelled.operation) == ("start", "cancel")
    assert started.round == cancelled.round
    done = await console.settled(round_id)
    assert done.leg("CIT").state == "cancelled"
    assert done.state == "open"
    [late] = await told(console, round_id, "start", "CIT")
    assert (late["state"], late["code"], late["cancel_late"]) == ("expired", "late_start", True)
    [called_off] = await told(console, round_id, "cancel", "CIT")
    assert called_off["state"] == "accepted"
    # it goes on elsewhere, and nothing more comes to the leg that missed it
    assert (await console.result(round_id, **RED)).status in (200, 207)
    assert (await console.finish(round_id)).status in (200, 207)
    assert (await console.settled(round_id)).state == "finished"
    assert len(tables.effects(table, "CIT")) == len(("start", "cancel"))
    tables.heal()
    await console.play(table)


async def test_a_late_start_is_told_to_people_on_a_required_leg(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.fail("latency", environment="PRD", table=table, operation="start", ms=LATE_MS)
    answer = await console.start(table, deadline_ms=SOON_MS)
    round_id = answer.round.round
    tables.heal()

    async def alerts() -> list[dict[str, Any]]:
        return await console.told(round_id, "alert.raised")

    [alert] = await eventually(alerts)
    assert (alert["kind"], alert["code"]) == ("start", "late_start")
    [late] = await told(console, round_id, "start", "PRD")
    assert (late["state"], late["code"]) == ("expired", "late_start")
    assert [one.operation for one in tables.effects(table, "PRD")] == ["start"]
    # people have the way out: the leg's own cancel finds the late round, and leaves the others be
    answer = await console.repair("cancel", f"PRD/{table}", round_id, reason="It came too late.")
    assert answer.status in (200, 202), answer.content
    assert (await console.settled(round_id)).leg("PRD").state == "cancelled"
    [cleared] = await console.told(round_id, "alert.cleared")
    assert (cleared["delivery"], cleared["code"]) == (alert["delivery"], "cancelled")
    assert [one.operation for one in tables.effects(table, "PRD")] == ["start", "cancel"]
    assert (await console.cancel(round_id)).status == 200
    await console.play(table)


async def test_a_start_in_time_whose_answer_is_late_is_no_late_start(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.fail("hang", environment="CIT", table=table, operation="start", effect="after", count=1)
    answer = await console.start(table, deadline_ms=SOON_MS)
    assert answer.status in (201, 207), answer.content
    done = await console.settled(answer.round.round)
    assert (done.outcome, done.leg("CIT").state) == ("complete", "opened")
    assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, 1)
    assert tables.counts(table, "cancel") == dict.fromkeys(ENVIRONMENTS, 0)


async def test_a_start_behind_an_earlier_round_expires_and_its_round_concludes(
    console: Console, tables: TableApi, table: str
) -> None:
    first = (await console.opened(table)).round
    assert (await console.bet_stop(first)).status == 200
    fault = tables.fail("status", environment="CIT", table=table, operation="deal", status=503)
    assert (await console.result(first, **RED)).status == 207
    assert (await console.finish(first)).status in (200, 207)

    answer = await console.start(table, deadline_ms=SOON_MS)
    assert answer.status == 207, answer.content
    second = await console.settled(answer.round.round)
    left = second.leg("CIT")
    assert (left.last.outcome, left.last.code, left.state) == ("expired", "deadline", "failed")
    assert (left.last.attempts, left.last.detail) == (0, left.last.detail)
    assert {s for e, s in second.states.items() if e != "CIT"} == {"opened"}
    assert tables.counts(table, "start")["CIT"] == 1
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        done = await console.command(name, second.round, **body)
        assert done.status in (200, 207), done.content
    assert (await console.settled(second.round)).state == "finished"

    tables.end(fault)
    whole = await console.settled(first, within_s=30)
    assert (whole.outcome, set(whole.states.values())) == ("complete", {"finished"})
    happened = [one.operation for one in tables.effects(table, "CIT")]
    assert happened == ["start", "bet-stop", "deal", "finish"]
    await console.play(table)


@pytest.mark.parametrize("deadline_ms", [0, -1, 3_600_001, 1.5, "800", None, True])
async def test_a_deadline_that_is_none(
    console: Console, tables: TableApi, table: str, deadline_ms: object
) -> None:
    answer = await console.start(table, deadline_ms=deadline_ms)
    assert (answer.status, answer.problem.field) == (422, "body.deadline_ms"), answer.content
    assert tables.effects(table) == []
    assert await console.rounds(table=table) == []
