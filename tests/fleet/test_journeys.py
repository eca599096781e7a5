import re
from datetime import UTC, datetime, timedelta

import pytest

from fleet.console import RESULTS, ULID, Console
from fleet.floor import TYPES, Floor
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
NEVER = dict.fromkeys(ENVIRONMENTS, 0)
RED = RESULTS["speed_roulette"]


@pytest.mark.parametrize("kind", ["roulette", "vip", "sicbo", "baccarat"])
async def test_a_full_round_reaches_all_environments(
    console: Console, tables: TableApi, floor: Floor, kind: str
) -> None:
    table, game = floor.take(kind), TYPES[kind]
    for played in (1, 2):
        round_ = await console.play(table, game)
        assert round_.state == "finished"
        assert set(round_.states.values()) == {"finished"}
        assert round_.result == RESULTS[game]
        for environment in ENVIRONMENTS:
            happened = tables.effects(table, environment)[-4:]
            assert [one.operation for one in happened] == ["start", "bet-stop", "deal", "finish"]
            assert {one.round for one in happened} == {round_.leg(environment).external_round_id}
            assert [happened[2].result] == list(RESULTS[game].values())
        assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, played)


async def test_the_matrix_has_what_the_contract_names(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.arrange("PRD", table, bet_period_s=20)
    tables.arrange("UAT", table, bet_period_s=5)
    before = datetime.now(UTC)
    round_ = await console.opened(table)
    assert re.match(ULID, round_.round)
    assert re.match(ULID, round_.command)
    assert (round_.table, round_.type, round_.state) == (table, "speed_roulette", "open")
    assert (round_.outcome, round_.result) == ("complete", None)
    assert before - timedelta(seconds=5) < round_.started_at < datetime.now(UTC) + timedelta(1)
    assert round_.skew_ms is not None
    assert round_.skew_ms >= 0
    # required first, then by priority, environment, code
    assert [leg.environment for leg in round_.legs] == ["PRD", "CIT", "QAT", "STG", "UAT"]
    assert [leg.required for leg in round_.legs] == [True, False, False, False, False]
    assert {e: round_.leg(e).bet_period for e in ENVIRONMENTS} == {
        "PRD": 20,
        "UAT": 5,
        "CIT": 15,
        "QAT": 15,
        "STG": 15,
    }
    for leg in round_.legs:
        [opened] = tables.effects(table, leg.environment)
        assert (leg.game_code, leg.served_by, leg.state) == (table, table, "opened")
        assert leg.external_round_id == opened.round
        assert leg.bet_stop_at is not None
        period = leg.bet_stop_at - datetime.fromisoformat(opened.at)
        assert abs(period.total_seconds() - (leg.bet_period or 0)) < 0.1
        assert (leg.last.command, leg.last.outcome, leg.last.attempts) == ("start", "accepted", 1)
        assert (leg.last.code, leg.last.detail, leg.last.next_attempt_at) == (None, None, None)
        assert leg.last.latency_ms is not None
        assert leg.last.latency_ms > 0
    raw = (await console.ask("GET", f"/v1/rounds/{round_.round}")).content.decode()
    times = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]+)"', raw)
    assert times
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one) for one in times)


async def test_several_targets_of_one_environment(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    table = floor.take("double")
    round_ = await console.play(table)
    assert [(leg.environment, leg.game_code) for leg in round_.legs] == [
        ("PRD", table),
        ("PRD", f"{table}-2"),
        *((e, table) for e in ("CIT", "QAT", "STG", "UAT")),
        *((e, f"{table}-2") for e in ("CIT", "QAT", "STG", "UAT")),
    ]
    for code in (table, f"{table}-2"):
        for operation in ("start", "bet-stop", "deal", "finish"):
            assert tables.counts(code, operation) == ONCE


async def test_some_environments_only(console: Console, tables: TableApi, table: str) -> None:
    round_ = await console.opened(table, environments=["STG", "PRD"])
    assert [leg.environment for leg in round_.legs] == ["PRD", "STG"]
    assert (await console.result(round_.round, **RED)).status == 200
    assert (await console.finish(round_.round)).status == 200
    assert tables.counts(table, "finish") == {**NEVER, "PRD": 1, "STG": 1}
    assert tables.counts(table, "start") == {**NEVER, "PRD": 1, "STG": 1}


async def test_a_result_while_bets_are_open_stops_them_first(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await console.opened(table)
    answer = await console.result(round_.round, roulette=36)
    assert (answer.status, answer.round.state) == (200, "dealt")
    assert answer.round.result == {"roulette": "36"}
    for environment in ENVIRONMENTS:
        happened = [one.operation for one in tables.effects(table, environment)]
        assert happened == ["start", "bet-stop", "deal"]
    assert (await console.finish(round_.round)).status == 200


async def test_bets_are_stopped_by_hand_before_their_time(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await console.opened(table)
    answer = await console.bet_stop(round_.round)
    assert (answer.status, answer.round.state) == (200, "bet_stopped")
    assert set(answer.round.states.values()) == {"bet_stopped"}
    again = await console.bet_stop(round_.round)
    assert again.status in (200, 409), again.content
    assert tables.counts(table, "bet-stop") == ONCE


@pytest.mark.parametrize("kind", ["roulette", "driver"])
async def test_bets_are_stopped_at_their_time(
    console: Console, tables: TableApi, floor: Floor, kind: str
) -> None:
    """Ours is the timer where the table does not stop bets itself, or the driver is told to."""
    table = floor.take(kind)
    tables.arrange_all(table, bet_period_s=1)
    tables.arrange("UAT", table, bet_period_s=2)
    round_ = await console.opened(table)
    done = await console.in_state(round_.round, "bet_stopped")
    assert set(done.states.values()) == {"bet_stopped"}
    for leg in round_.legs:
        _, stopped = tables.effects(table, leg.environment)
        assert (stopped.operation, stopped.round) == ("bet-stop", leg.external_round_id)
        assert leg.bet_stop_at is not None
        assert datetime.fromisoformat(stopped.at) >= leg.bet_stop_at - timedelta(milliseconds=5)
    assert (await console.result(round_.round, **RED)).status == 200
    assert (await console.finish(round_.round)).status == 200
    assert tables.counts(table, "bet-stop") == ONCE


async def test_a_table_that_stops_its_bets_itself_is_left_to_it(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.arrange_all(table, bet_period_s=1, auto_bet_stop=True)
    round_ = await console.opened(table)
    await console.in_state(round_.round, "bet_stopped")
    await eventually(lambda: tables.counts(table, "auto-bet-stop") == ONCE)
    assert (await console.result(round_.round, **RED)).status == 200
    assert (await console.finish(round_.round)).status == 200
    assert tables.counts(table, "bet-stop") == NEVER
    assert tables.counts(table, "finish") == ONCE


@pytest.mark.parametrize("stage", ["open", "bet_stopped", "dealt"])
async def test_cancel_from_each_state(
    console: Console, tables: TableApi, table: str, stage: str
) -> None:
    round_ = await console.opened(table)
    if stage == "bet_stopped":
        assert (await console.bet_stop(round_.round)).status == 200
    elif stage == "dealt":
        assert (await console.result(round_.round, **RED)).status == 200
    answer = await console.cancel(round_.round, reason="Ball left the wheel.")
    assert (answer.status, answer.round.state, answer.round.outcome) == (
        200,
        "cancelled",
        "complete",
    )
    assert set(answer.round.states.values()) == {"cancelled"}
    assert tables.counts(table, "cancel") == ONCE
    again = await console.cancel(round_.round)
    assert (again.status, again.round.state) == (200, "cancelled")
    assert tables.counts(table, "cancel") == ONCE
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        refused = await console.command(name, round_.round, **body)
        assert (refused.status, refused.problem.code) == (409, "round_cancelled")
    assert tables.counts(table, "finish") == NEVER
    await console.play(table)


async def test_wait_ms_0_answers_at_once_and_settles(
    console: Console, tables: TableApi, table: str
) -> None:
    # Else a command may be done before its answer is written.
    for operation in ("start", "bet-stop", "deal", "finish"):
        tables.fail("latency", table=table, operation=operation, ms=800)
    answer = await console.start(table, wait_ms=0)
    assert answer.status == 202
    assert set(answer.round.outcomes.values()) == {"pending"}
    assert all(leg.last.next_attempt_at for leg in answer.round.legs)
    done = await console.settled(answer.round.round)
    assert (done.outcome, set(done.states.values())) == ("complete", {"opened"})
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        answer = await console.command(name, done.round, wait_ms=0, **body)
        assert answer.status == 202, answer.content
        await console.settled(done.round)
    assert (await console.read(done.round)).state == "finished"
    assert tables.counts(table, "deal") == ONCE
    assert tables.counts(table, "finish") == ONCE


async def test_commands_hard_on_each_other_keep_their_order(
    console: Console, tables: TableApi, table: str
) -> None:
    tables.fail("latency", table=table, distribution="uniform", ms=0, to_ms=60)
    round_ = (await console.start(table, wait_ms=0)).round
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        answer = await console.command(name, round_.round, wait_ms=0, **body)
        assert answer.status in (200, 202, 207), answer.content
    done = await console.settled(round_.round)
    assert (done.state, set(done.states.values())) == ("finished", {"finished"})
    for environment in ENVIRONMENTS:
        happened = [one.operation for one in tables.effects(table, environment)]
        assert happened == ["start", "bet-stop", "deal", "finish"]


async def test_a_table_that_finishes_by_itself(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    table = floor.take("closing")
    round_ = await console.opened(table)
    assert (await console.result(round_.round, **RED)).status == 200
    done = await console.in_state(round_.round, "finished")
    await eventually(lambda: tables.counts(table, "finish") == ONCE)
    assert done.result == RED
    await console.opened(table)


async def test_one_open_round_a_table(console: Console, tables: TableApi, table: str) -> None:
    round_ = await console.opened(table)
    second = await console.start(table)
    assert (second.status, second.problem.code) == (409, "round_open")
    assert round_.round in second.content.decode()
    assert tables.counts(table, "start") == ONCE
    early = await console.finish(round_.round)
    assert (early.status, early.problem.code) == (409, "round_open")


async def test_results_are_given_once(console: Console, tables: TableApi, table: str) -> None:
    round_ = await console.opened(table)
    first = await console.result(round_.round, **RED)
    same = await console.result(round_.round, roulette=17)
    other = await console.result(round_.round, roulette="18")
    assert (first.status, same.status, other.status) == (200, 200, 409)
    assert other.problem.code == "result_conflict"
    assert tables.counts(table, "deal") == ONCE
    assert (await console.finish(round_.round)).status == 200
    late = await console.result(round_.round, roulette="18")
    assert (late.status, late.problem.code) == (409, "result_conflict")
    assert (await console.finish(round_.round)).status == 200
    assert tables.counts(table, "finish") == ONCE
