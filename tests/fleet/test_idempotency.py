import asyncio

import pytest

from fleet.console import RESULTS, Console, new_key
from fleet.rig import ENVIRONMENTS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
RED = RESULTS["speed_roulette"]


async def test_the_same_key_and_body_again_is_the_same_answer(
    console: Console, tables: TableApi, table: str
) -> None:
    keys = {name: new_key() for name in ("start", "bet-stop", "result", "finish")}
    first = await console.start(table, key=keys["start"])
    again = await console.start(table, key=keys["start"])
    assert (first.status, first.replayed) == (201, False)
    assert (again.status, again.replayed, again.content) == (201, True, first.content)
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        first = await console.command(name, first.round.round, key=keys[name], **body)
        again = await console.command(name, first.round.round, key=keys[name], **body)
        assert (first.status, first.replayed) == (200, False)
        assert (again.status, again.replayed, again.content) == (200, True, first.content)
    late = await console.start(table, key=keys["start"])
    assert (late.status, late.replayed) == (201, True)
    for operation in ("start", "bet-stop", "deal", "finish"):
        assert tables.counts(table, operation) == ONCE


async def test_ten_at_once_start_one_round(console: Console, tables: TableApi, table: str) -> None:
    tables.fail("latency", table=table, operation="start", ms=100)
    key = new_key()
    answers = await asyncio.gather(*(console.start(table, key=key) for _ in range(10)))
    made = [one for one in answers if one.status == 201]
    assert made
    assert len({one.content for one in made}) == 1
    assert [one.replayed for one in made].count(False) == 1
    for refused in (one for one in answers if one.status != 201):
        assert (refused.status, refused.problem.code) == (409, "still_running")
        assert refused.headers["retry-after"] == "1"
    assert tables.counts(table, "start") == ONCE
    assert len(await console.rounds(table=table)) == 1


async def test_ten_results_at_once_deal_one(console: Console, tables: TableApi, table: str) -> None:
    round_ = await console.opened(table)
    answers = await asyncio.gather(
        *(console.result(round_.round, roulette=pocket) for pocket in range(10))
    )
    statuses = [one.status for one in answers]
    assert statuses.count(200) == 1
    assert statuses.count(409) == 9
    won = (await console.read(round_.round)).result
    assert tables.counts(table, "deal") == ONCE
    dealt = [one.result for one in tables.effects(table, operation="deal")]
    assert dealt == [won and won["roulette"]] * len(ENVIRONMENTS)


async def test_another_request_under_the_same_key_is_refused(
    console: Console, tables: TableApi, table: str
) -> None:
    key = new_key()
    first = await console.start(table, key=key, environments=["PRD"])
    for answer in (
        await console.start(table, key=key),
        await console.start(table, key=key, environments=["CIT"]),
        await console.command("finish", first.round.round, key=key),
    ):
        assert (answer.status, answer.problem.code) == (422, "idempotency_key_reused")
        assert answer.problem.field == "header.idempotency-key"
    assert len(tables.effects(table)) == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\there", "n\u00e4h"])
async def test_a_bad_key_is_refused(
    console: Console, tables: TableApi, table: str, key: str
) -> None:
    response = await console.client.post(
        f"/v1/tables/{table}/rounds",
        json={},
        headers=[(b"Idempotency-Key", key.encode("latin-1"))],
    )
    assert response.status_code == 400
    assert response.json()["code"] == "bad_idempotency_key"
    assert tables.effects(table) == []


async def test_a_refused_request_frees_its_key(
    console: Console, tables: TableApi, table: str
) -> None:
    key = new_key()
    for body in ({"wait_ms": -1}, {"environments": ["NONE"]}, {"colour": "red"}):
        refused = await console.start(table, key=key, **body)
        assert refused.status == 422
    first = await console.start(table, key=key)
    assert (first.status, first.replayed) == (201, False)
    other = new_key()
    conflict = await console.start(table, key=other)
    assert (conflict.status, conflict.problem.code) == (409, "round_open")
    assert (await console.cancel(first.round.round)).status == 200
    second = await console.start(table, key=other)
    assert (second.status, second.replayed) == (201, False)
    assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, 2)


async def test_the_same_key_again_after_its_gateway_was_killed(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    """Killed while it waits for the legs: whoever asks again gets the round that was started."""
    key, gateway = new_key(), await fleet.one("gateway")
    fault = tables.fail("latency", table=table, operation="start", ms=1800)
    asking = asyncio.create_task(console.start(table, key=key))
    await eventually(lambda: tables.struck(fault) == len(ENVIRONMENTS))
    gateway.kill()
    lost = await asking
    assert (lost.status, lost.problem.code) == (502, "gateway_unreachable")

    async def ask() -> bool:
        nonlocal lost
        lost = await console.start(table, key=key)
        assert lost.status in (201, 202, 207, 409, 502, 503), lost
        return lost.status in (201, 202, 207)

    await eventually(ask, within_s=30)
    done = await console.settled(lost.round.round)
    assert done.outcomes == dict.fromkeys(ENVIRONMENTS, "accepted")
    again = await console.start(table, key=key)
    assert (again.replayed, again.content) == (True, lost.content)
    assert tables.counts(table, "start") == ONCE
    assert len(await console.rounds(table=table)) == 1
    await fleet.whole()
