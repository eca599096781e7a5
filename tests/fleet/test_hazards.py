"""The hazards of the scripts this replaces, as the design numbers them, shown through the door."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.console import RESULTS, Console
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
NEVER = dict.fromkeys(ENVIRONMENTS, 0)
OTHERS = {**ONCE, "QAT": 0}
RED = RESULTS["speed_roulette"]
LOST: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset_after"},
    "html": {"kind": "html", "effect": "after"},
    "5xx": {"kind": "status", "status": 503, "effect": "after"},
    "cut": {"kind": "cut"},
    "empty": {"kind": "empty", "effect": "after"},
}


async def test_1_one_hung_environment_stalls_no_other(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    hung, free = floor.take(), floor.take()
    tables.fail("hang", environment="QAT", table=hung)
    waiting = asyncio.create_task(console.start(hung, wait_ms=6000))
    await eventually(lambda: tables.counts(hung, "start") == OTHERS)
    played = await console.play(free)
    assert not waiting.done()
    assert played.outcomes == dict.fromkeys(ENVIRONMENTS, "accepted")
    [open_round] = await console.rounds(table=hung)
    accepted = [e for e, outcome in open_round.outcomes.items() if outcome == "accepted"]
    assert sorted(accepted) == ["CIT", "PRD", "STG", "UAT"]
    assert open_round.leg("QAT").last.outcome in ("pending", "unknown")
    # the hung table's own next commands reach the others too
    dealt = await console.result(open_round.round, **RED)
    assert dealt.status in (200, 207), "207 while the hung start may still be sent"
    assert tables.counts(hung, "deal") == OTHERS
    tables.heal()
    answer = await waiting
    assert answer.status in (201, 207)
    done = await console.settled(open_round.round)
    assert done.outcomes["PRD"] == "accepted"
    assert tables.counts(hung, "start") in (ONCE, OTHERS)
    assert tables.counts(hung, "deal") == tables.counts(hung, "start")


async def test_2_a_failure_is_never_called_a_success(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.fail("status", environment="CIT", table=table, operation="start", status=500, code=77777)
    answer = await console.start(table)
    assert (answer.status, answer.round.outcome) == (207, "partial")
    leg = answer.round.leg("CIT")
    assert (leg.state, leg.last.outcome) != ("opened", "accepted")
    assert leg.last.outcome in ("pending", "unknown", "expired")
    assert leg.last.detail
    light = (await console.client.get(f"/v1/tables/{table}")).json()["readiness"]
    assert (light["light"], light["without"]) == ("go_without", [f"CIT/{table}"])


async def test_3_after_a_failed_start_no_result_goes_to_the_round_before(
    console: Console, tables: TableApi, table: str
) -> None:
    first = await console.play(table)
    paused = tables.target("CIT", table)
    assert paused.do("pause", reason="Wheel").status == 200
    second = (await console.start(table)).round
    assert second.leg("CIT").last.code == "13007"
    assert paused.do("resume").status == 200
    answer = await console.result(second.round, roulette="18")
    assert answer.status == 200
    assert (await console.finish(second.round)).status == 200
    touched = {one.round for one in tables.effects(table, "CIT")}
    assert touched == {first.leg("CIT").external_round_id}
    assert [one.result for one in tables.effects(table, "CIT", "deal")] == ["17"]
    assert tables.counts(table, "deal") == {**dict.fromkeys(ENVIRONMENTS, 2), "CIT": 1}
    assert (await console.opened(table)).leg("CIT").state == "opened"


async def test_3_a_round_of_somebody_else_is_left_alone(
    console: Console, tables: TableApi, table: str
) -> None:
    theirs = tables.target("STG", table).do("start").round_id
    answer = await console.start(table)
    leg = answer.round.leg("STG")
    assert (answer.status, leg.last.outcome, leg.last.code) == (207, "rejected", "13003")
    assert "previous round" in (leg.last.detail or "")
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        assert (await console.command(name, answer.round.round, **body)).status == 200
    assert [(e.operation, e.round) for e in tables.effects(table, "STG")] == [("start", theirs)]


async def test_4_a_bet_stop_timer_is_bound_to_its_round(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.arrange_all(table, bet_period_s=4)
    first = await console.opened(table)
    tables.arrange_all(table, bet_period_s=60)
    assert (await console.cancel(first.round)).status == 200
    second = await console.opened(table)
    over = max(leg.bet_stop_at for leg in first.legs if leg.bet_stop_at) + timedelta(seconds=1)
    await eventually(lambda: datetime.now(UTC) > over)
    assert (await console.read(second.round)).state == "open"
    assert tables.counts(table, "bet-stop") == NEVER


@pytest.mark.parametrize("fault", LOST)
async def test_5_a_start_whose_answer_was_lost_is_found(
    console: Console, tables: TableApi, table: str, fault: str
) -> None:
    await console.play(table)
    tables.fail(**LOST[fault], environment="PRD", table=table, operation="start", count=1)
    answer = await console.start(table)
    done = await console.settled(answer.round.round)
    leg = done.leg("PRD")
    assert (leg.state, leg.last.outcome, done.outcome) == ("opened", "accepted", "complete")
    assert leg.last.code != "13003"
    started = tables.effects(table, "PRD", "start")
    assert len(started) == 2
    assert leg.external_round_id == started[-1].round
    assert leg.bet_stop_at is not None
    assert (await console.result(done.round, **RED)).status == 200
    assert (await console.finish(done.round)).status == 200
    assert tables.counts(table, "finish") == dict.fromkeys(ENVIRONMENTS, 2)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("name", ["bet-stop", "result", "finish", "cancel"])
async def test_6_a_command_whose_answer_was_lost_takes_effect_once(
    console: Console, tables: TableApi, table: str, name: str, fault: str
) -> None:
    operation = "deal" if name == "result" else name
    round_ = await console.opened(table)
    for before in () if name in ("bet-stop", "cancel") else ("bet-stop", "result"):
        if before != name:
            body = RED if before == "result" else {}
            assert (await console.command(before, round_.round, **body)).status == 200
    tables.fail(**LOST[fault], environment="STG", table=table, operation=operation, count=1)
    body = RED if name == "result" else {}
    answer = await console.command(name, round_.round, **body)
    assert answer.status in (200, 202, 207), answer.content
    done = await console.settled(round_.round)
    assert done.outcome == "complete", done
    assert done.outcomes == dict.fromkeys(ENVIRONMENTS, "accepted")
    assert tables.counts(table, operation) == ONCE
    assert not any(one.repeat for one in tables.effects(table))


async def test_6_a_late_finish_hits_no_later_round(
    console: Console, tables: TableApi, table: str
) -> None:
    """A finish that did not get through is sent for its own round only, however late."""
    first = await console.opened(table)
    assert (await console.result(first.round, **RED)).status == 200
    fault = tables.fail("reset", environment="UAT", table=table, operation="finish")
    answer = await console.finish(first.round)
    assert answer.status == 207
    # somebody else ends that round by hand and the table moves on
    other = tables.target("UAT", table)
    tables.fail("hang", environment="UAT", table=table, operation="get")
    await eventually(lambda: tables.struck(fault) >= 1)
    tables.end(fault)
    assert other.do("finish").status == 200
    theirs = other.do("start").round_id
    tables.heal()
    done = await console.settled(first.round)
    assert done.leg("UAT").last.outcome in ("accepted", "rejected")
    assert theirs not in [e.round for e in tables.effects(table, "UAT", "finish")]
    assert len(tables.effects(table, "UAT", "finish")) == 1


async def test_8_no_result_is_made_up(console: Console, tables: TableApi, floor: Floor) -> None:
    table = floor.take("sicbo")
    round_ = await console.opened(table)
    for wrong in ([1, 2], [0, 1, 2], [1, 2, 7], None, "1,2,3", [1, 2, "3"], [True, 2, 3]):
        refused = await console.result(round_.round, sicBo=wrong)
        assert (refused.status, refused.problem.code) == (422, "invalid_result")
        assert refused.problem.field == "sicBo"
    found = await console.read(round_.round)
    assert (found.result, found.state) == (None, "open")
    assert tables.counts(table, "deal") == NEVER
    assert tables.counts(table, "bet-stop") == NEVER


async def test_9_each_environment_keeps_its_own_bet_period(
    console: Console, tables: TableApi, table: str
) -> None:
    """Even without an answer of the required one, the others' bets are stopped in time."""
    tables.arrange_all(table, bet_period_s=1)
    tables.arrange("STG", table, bet_period_s=60)
    assert tables.target("PRD", table).do("pause", reason="Wheel").status == 200
    answer = await console.start(table)
    assert (answer.status, answer.round.leg("PRD").last.outcome) == (207, "rejected")
    await eventually(lambda: tables.counts(table, "bet-stop") == {**ONCE, "PRD": 0, "STG": 0})
    found = await console.read(answer.round.round)
    assert (found.leg("STG").state, found.leg("STG").bet_period) == ("opened", 60)
    assert found.state == "open"
    dealt = await console.result(found.round, **RED)
    assert dealt.status == 200
    assert tables.counts(table, "deal") == {**ONCE, "PRD": 0}


async def test_12_a_round_never_moves_to_a_backup(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    """Not on a start that may have taken effect, and never in the middle of a round."""
    table = floor.take("backed")
    tables.fail("reset_after", environment="CIT", table=table, operation="start", count=1)
    round_ = await console.settled((await console.start(table)).round.round)
    fault = tables.fail("status", environment="CIT", table=table, operation="deal", status=503)
    answer = await console.result(round_.round, **RED)
    assert answer.status == 207
    await eventually(lambda: tables.struck(fault) >= 2)
    tables.end(fault)
    done = await console.settled(round_.round)
    assert {leg.served_by for leg in done.legs} == {table}
    assert done.outcome == "complete"
    assert (await console.finish(done.round)).status == 200
    assert tables.counts(table, "deal") == ONCE
    assert tables.effects(f"{table}-B") == []
