"""Repairs: one leg sent again, skipped or cancelled, and what must not be touched by them."""

from datetime import timedelta

import pytest

from fleet.console import RESULTS, Console, Round, new_key
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
NONE_IN_CIT = {**ONCE, "CIT": 0}
RED = RESULTS["speed_roulette"]
NO_ROUND = "01JD0000000000000000000000"
WHY = "The table is back."
NAMES = ("retry", "skip", "cancel")


def leg(table: str, environment: str = "CIT") -> str:
    return f"{environment}/{table}"


async def refused(console: Console, tables: TableApi, table: str) -> Round:
    """Give a finished round whose result CIT refused, so that CIT was never finished."""
    round_ = await console.opened(table)
    assert (await console.bet_stop(round_.round)).status == 200
    fault = tables.fail(
        "status", environment="CIT", table=table, operation="deal", status=400, code=13099
    )
    assert (await console.result(round_.round, **RED)).status == 207
    tables.end(fault)
    answer = await console.finish(round_.round)
    assert answer.status in (200, 207), answer.content
    found = await console.settled(round_.round)
    assert (found.state, found.leg("CIT").state) == ("finished", "bet_stopped")
    assert tables.counts(table, "finish") == NONE_IN_CIT
    return found


async def mended(console: Console, round_id: str) -> Round:
    """Wait until each leg is finished."""

    async def look() -> Round | None:
        found = await console.read(round_id)
        return found if set(found.states.values()) == {"finished"} else None

    found: Round | None = await eventually(look)
    assert found is not None
    return found


async def test_a_refused_result_is_sent_again_and_its_finish_follows(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await refused(console, tables, table)
    answer = await console.repair("retry", leg(table), round_.round, reason=WHY)
    assert answer.status in (200, 202), answer.content
    done = await mended(console, round_.round)
    assert done.outcome == "complete"
    happened = [one.operation for one in tables.effects(table, "CIT")]
    assert happened == ["start", "bet-stop", "deal", "finish"]
    assert tables.counts(table, "deal") == tables.counts(table, "finish") == ONCE
    told = await console.told(round_.round, "leg.retried")
    assert [(one["kind"], one["environment"], one["actor"], one["reason"]) for one in told] == [
        ("result", "CIT", "admin", WHY)
    ]
    await console.play(table)


async def test_a_skipped_leg_is_left_as_it_is(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await refused(console, tables, table)
    before = tables.effects(table)
    for body in ({}, {"reason": None}, {"reason": ""}, {"reason": 7}, {"reason": "x" * 501}):
        answer = await console.repair("skip", leg(table), round_.round, **body)
        assert (answer.status, answer.problem.field) == (422, "body.reason"), answer.content
    assert await console.told(round_.round, "leg.skipped") == []
    answer = await console.repair("skip", leg(table), round_.round, reason="Settled by phone.")
    assert answer.status == 200, answer.content
    assert answer.round.leg("CIT").last.outcome == "skipped"
    told = await console.told(round_.round, "leg.skipped")
    assert {(one["actor"], one["reason"]) for one in told} == {("admin", "Settled by phone.")}
    again = await console.repair("retry", leg(table), round_.round)
    assert (again.status, again.problem.code) == (409, "leg_settled")
    assert tables.effects(table) == before


async def test_one_leg_is_cancelled_and_the_round_goes_on_elsewhere(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await console.opened(table)
    answer = await console.repair("cancel", leg(table), round_.round, reason="Camera is out.")
    assert answer.status in (200, 202), answer.content
    cancelled = await console.settled(round_.round)
    assert (cancelled.state, cancelled.leg("CIT").state) == ("open", "cancelled")
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        done = await console.command(name, round_.round, **body)
        assert done.status == 200, done.content
    assert (await console.read(round_.round)).state == "finished"
    assert [one.operation for one in tables.effects(table, "CIT")] == ["start", "cancel"]
    assert tables.counts(table, "deal") == tables.counts(table, "finish") == NONE_IN_CIT
    [told] = await console.told(round_.round, "leg.cancelled")
    assert (told["actor"], told["reason"]) == ("admin", "Camera is out.")
    again = await console.repair("cancel", leg(table), round_.round)
    assert (again.status, again.problem.code) == (409, "leg_settled")
    await console.play(table)


async def test_what_there_is_not_to_mend(console: Console, tables: TableApi, floor: Floor) -> None:
    """A settled leg, another round's, none, and ids that are none: nothing changes."""
    table, other = floor.take(), floor.take()
    done, elsewhere = (await console.play(table)).round, (await console.opened(other)).round
    before = tables.all_effects(), await console.history(done), await console.history(elsewhere)
    for name in NAMES:
        for place, round_id, status, code in (
            (leg(table), done, 409, "leg_settled"),
            (leg(table), elsewhere, 404, "unknown_leg"),
            (leg("NONE"), done, 404, "unknown_leg"),
            (leg(table, "NONE"), done, 404, "unknown_leg"),
            (leg(table), NO_ROUND, 404, "unknown_round"),
            (leg(table), NO_ROUND[:-1], 422, "invalid"),
            (leg(table), NO_ROUND.lower(), 422, "invalid"),
            (leg("a" * 65), done, 422, "invalid"),
        ):
            answer = await console.repair(name, place, round_id, reason=WHY)
            said = (answer.status, answer.problem.code)
            assert said == (status, code), (name, place, answer.content)
            assert answer.problem.detail
    after = tables.all_effects(), await console.history(done), await console.history(elsewhere)
    assert before == after


@pytest.mark.parametrize("name", ["retry", "skip"])
async def test_a_bet_stop_timer_is_nothing_to_mend(
    console: Console, tables: TableApi, table: str, name: str
) -> None:
    tables.arrange_all(table, bet_period_s=4)
    round_ = await console.opened(table)
    answer = await console.repair(name, leg(table), round_.round, reason=WHY)
    assert (answer.status, answer.problem.code) == (409, "leg_settled")
    await console.in_state(round_.round, "bet_stopped")
    await eventually(lambda: tables.counts(table, "bet-stop") == ONCE)
    starts, stops = tables.effects(table, operation="start"), tables.effects(table, "CIT")
    assert [one.operation for one in stops] == ["start", "bet-stop"]
    assert len(starts) == len(ENVIRONMENTS)
    assert (await console.result(round_.round, **RED)).status == 200
    assert (await console.finish(round_.round)).status == 200


@pytest.mark.parametrize("name", ["retry", "skip"])
async def test_a_scheduled_finish_is_nothing_to_mend(
    console: Console, tables: TableApi, floor: Floor, name: str
) -> None:
    table = floor.take("lasting")
    round_ = await console.opened(table)
    assert (await console.result(round_.round, **RED)).status == 200
    answer = await console.repair(name, leg(table), round_.round, reason=WHY)
    assert (answer.status, answer.problem.code) == (409, "leg_settled")
    done = await console.in_state(round_.round, "finished")
    await eventually(lambda: tables.counts(table, "finish") == ONCE)
    assert done.result == RED
    [told] = [
        one
        for one in await console.told(round_.round, "delivery.settled")
        if (one["kind"], one["environment"]) == ("finish", "CIT")
    ]
    assert (told["state"], told["attempts"]) == ("accepted", 1)


async def test_a_repair_under_one_key_is_done_once(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await refused(console, tables, table)
    key = new_key()
    first = await console.repair("retry", leg(table), round_.round, key=key, reason=WHY)
    again = await console.repair("retry", leg(table), round_.round, key=key, reason=WHY)
    assert (again.status, again.content, again.replayed) == (first.status, first.content, True)
    other = await console.repair("retry", leg(table), round_.round, key=key, reason="Another.")
    assert other.status == 422, other.content
    await mended(console, round_.round)
    assert tables.counts(table, "deal") == ONCE
    assert len(await console.told(round_.round, "leg.retried")) == 1


async def test_a_pending_result_is_sent_at_once_when_asked(
    console: Console, tables: TableApi, table: str
) -> None:
    """A leg that waits for its next attempt doesn't wait for it when an operator knows better."""
    round_ = await console.opened(table)
    tables.fail("retry_after", environment="CIT", table=table, operation="deal", value=60, count=1)
    answer = await console.result(round_.round, **RED)
    assert answer.status == 207
    waiting = answer.round.leg("CIT").last
    assert (waiting.outcome, waiting.code) == ("pending", "http_429")
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at > answer.round.started_at + timedelta(seconds=30)
    assert (await console.repair("retry", leg(table), round_.round)).status in (200, 202)
    done = await console.settled(round_.round)
    assert (done.outcome, tables.counts(table, "deal")) == ("complete", ONCE)
    assert (await console.finish(round_.round)).status == 200
