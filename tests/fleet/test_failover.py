"""Backups: where a start goes when its target is certainly not to be had, and the round stays."""

from typing import Any

import pytest

from fleet.breakers import known_open
from fleet.console import RESULTS, Console, Round
from fleet.floor import Floor, address, document
from fleet.rig import ENVIRONMENTS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually, free_port

RED = RESULTS["speed_roulette"]
PLAYED = ["start", "bet-stop", "deal", "finish"]
GONE: dict[str, dict[str, Any]] = {
    "404": {"kind": "status", "status": 404},
    "13042": {"kind": "status", "status": 503, "code": 13042},
}
LOST: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset_after"},
    "5xx": {"kind": "status", "status": 503, "effect": "after"},
    "5xx before": {"kind": "status", "status": 503},
    "cut": {"kind": "cut"},
}


async def played(console: Console, round_: Round) -> Round:
    """Bring a round to its end, which must go well everywhere."""
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        answer = await console.command(name, round_.round, **body)
        assert answer.status == 200, answer.content
        round_ = answer.round
    assert round_.outcome == "complete"
    return round_


def operations(tables: TableApi, code: str, environment: str) -> list[str]:
    return [one.operation for one in tables.effects(code, environment)]


@pytest.mark.parametrize("fault", GONE.values(), ids=GONE)
async def test_another_code_takes_the_start_over(
    console: Console, tables: TableApi, floor: Floor, fault: dict[str, Any]
) -> None:
    table = floor.take("backed")
    tables.fail(**fault, environment="CIT", table=table, operation="start")
    round_ = await console.opened(table)
    assert round_.leg("CIT").served_by == f"{table}-B"
    assert {leg.served_by for leg in round_.legs if leg.environment != "CIT"} == {table}
    tables.heal()
    done = await played(console, round_)
    assert (done.leg("CIT").served_by, done.leg("CIT").game_code) == (f"{table}-B", table)
    assert operations(tables, f"{table}-B", "CIT") == PLAYED
    assert operations(tables, table, "CIT") == []
    assert tables.effects(f"{table}-B")[0].round == done.leg("CIT").external_round_id
    [moved] = await console.told(round_.round, "leg.failed_over")
    assert (moved["environment"], moved["served_by"]) == ("CIT", f"{table}-B")
    # the next round begins where the table is configured
    assert (await console.opened(table)).leg("CIT").served_by == table


async def test_another_address_takes_the_start_over(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    """The second backup, once the first is gone too: the same code, another address."""
    table, there = floor.take("backed"), address("CIT-B", tables.port)
    for code in (table, f"{table}-B"):
        tables.fail(**GONE["404"], environment="CIT", table=code, operation="start")
    round_ = await console.opened(table)
    assert round_.leg("CIT").served_by == there
    tables.heal()
    done = await played(console, round_)
    assert done.leg("CIT").served_by == there
    assert operations(tables, table, "CIT-B") == PLAYED
    assert operations(tables, table, "CIT") == operations(tables, f"{table}-B", "CIT") == []
    moved = await console.told(round_.round, "leg.failed_over")
    assert [one["served_by"] for one in moved] == [f"{table}-B", there]


async def test_an_address_takes_over_from_one_that_refuses_connections(
    console: Console, tables: TableApi, floor: Floor
) -> None:
    """Both codes of the environment are behind a closed port; the other address is not."""
    table, there = floor.take("backed"), address("STG-B", tables.port)
    path, right = "/v1/config/environments/STG", document("STG", tables.port)
    closed = {**right, "base_url": address("STG", free_port())}
    assert (await console.ask("PUT", path, closed)).status == 200
    try:
        assert await eventually(lambda: latest(console, path, closed["base_url"]))
        round_ = await console.opened(table)
    finally:
        assert (await console.ask("PUT", path, right)).status == 200
    assert round_.leg("STG").served_by == there
    done = await played(console, round_)
    assert done.leg("STG").served_by == there
    assert operations(tables, table, "STG-B") == PLAYED
    assert operations(tables, table, "STG") == []


async def latest(console: Console, path: str, base_url: object) -> bool:
    found = (await console.client.get(path)).json()
    return bool(found["config"]["base_url"] == base_url)


async def test_an_open_breaker_sends_the_start_to_the_backup_at_once(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    table = floor.take("backed")
    round_ = await console.opened(table)
    assert (await console.bet_stop(round_.round)).status == 200
    down = tables.fail("status", environment="CIT", table=table, status=503, effect="before")
    assert (await console.result(round_.round, wait_ms=0, **RED)).status in (202, 207)
    await known_open(fleet, table)
    skipped = await skip(console, round_.round, table)
    assert skipped.leg("CIT").last.outcome == "skipped"
    assert (await console.finish(round_.round)).status in (200, 207)
    await skip(console, round_.round, table, may_be_settled=True)
    fault = tables.fail("latency", environment="CIT", table=table, operation="start", ms=0)
    second = await console.opened(table)
    assert second.leg("CIT").served_by == f"{table}-B"
    assert tables.struck(fault) == 0, "the target behind the breaker was not asked"
    tables.end(down)
    await played(console, second)
    assert operations(tables, f"{table}-B", "CIT") == PLAYED


async def skip(
    console: Console, round_id: str, table: str, *, may_be_settled: bool = False
) -> Round:
    """Leave the leg in CIT as it is, once nothing of it is under way."""

    async def ask() -> Round | None:
        answer = await console.repair("skip", f"CIT/{table}", round_id, reason="It is down.")
        if may_be_settled and answer.status == 409 and answer.problem.code == "leg_settled":
            return await console.read(round_id)
        return answer.round if answer.status == 200 else None

    found: Round | None = await eventually(ask)
    assert found is not None
    return found


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_start_that_may_have_arrived_goes_nowhere_else(
    console: Console, tables: TableApi, floor: Floor, fault: dict[str, Any]
) -> None:
    table = floor.take("backed")
    tables.fail(**fault, environment="CIT", table=table, operation="start", count=1)
    answer = await console.start(table, deadline_ms=20_000)
    done = await console.settled(answer.round.round)
    assert done.leg("CIT").served_by == table
    assert done.leg("CIT").last.outcome == "accepted"
    assert tables.effects(f"{table}-B") == []
    assert tables.effects(table, "CIT-B") == []
    assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, 1)
    assert await console.told(done.round, "leg.failed_over") == []
    assert (await console.cancel(done.round)).status == 200
