"""Deliveries listed, and a stretch of time recovered: looked at first, then sent."""

import json
from datetime import timedelta
from typing import Any

import pytest

from fleet.console import RESULTS, Console, Round
from fleet.rig import ENVIRONMENTS
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
RED = RESULTS["speed_roulette"]
REFUSING = ("CIT", "STG", "UAT")
OWED = [(environment, "result") for environment in REFUSING]
# Five starts, five bet-stops, and what PRD and QAT took of the rest.
TAKEN = 14


async def stuck(console: Console, tables: TableApi, table: str) -> Round:
    """Give a finished round whose result three environments refused."""
    round_ = await console.opened(table)
    assert (await console.bet_stop(round_.round)).status == 200
    for environment in REFUSING:
        tables.fail(
            "status", environment=environment, table=table, operation="deal", status=400, code=13099
        )
    assert (await console.result(round_.round, **RED)).status == 207
    tables.heal()
    assert (await console.finish(round_.round)).status in (200, 207)
    return await console.settled(round_.round)


async def listed(console: Console, **query: Any) -> tuple[list[dict[str, Any]], str | None]:
    answer = await console.client.get("/v1/deliveries", params=query)
    assert answer.status_code == 200, answer.content
    return answer.json()["deliveries"], answer.json()["next_cursor"]


async def recover(console: Console, **body: Any) -> dict[str, Any]:
    answer = await console.ask("POST", "/v1/deliveries/recover", body)
    assert answer.status == 200, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    assert found["dry_run"] is body.get("dry_run", False)
    return found


def places(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((one["environment"], one["command"]) for one in found)


async def test_deliveries_are_filtered_and_paged(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await stuck(console, tables, table)
    since = round_.started_at.isoformat()
    rejected, cursor = await listed(console, table=table, state="rejected")
    assert (places(rejected), cursor) == ([(name, "result") for name in REFUSING], None)
    assert {(one["round"], one["code"], one["attempts"]) for one in rejected} == {
        (round_.round, "13099", 1)
    }
    assert (await listed(console, table=table))[0] == [], "unsettled ones if not asked otherwise"
    only, _ = await listed(console, table=table, state="rejected", environment="STG")
    assert places(only) == [("STG", "result")]
    both, _ = await listed(console, table=table, state=["rejected", "expired"], since=since)
    assert places(both) == OWED
    later = (round_.started_at + timedelta(hours=1)).isoformat()
    assert (await listed(console, table=table, state="rejected", since=later))[0] == []

    paged, cursor = await listed(console, table=table, state="rejected", limit=2)
    assert (len(paged), cursor) == (2, paged[-1]["delivery"])
    rest, end = await listed(console, table=table, state="rejected", limit=2, cursor=cursor)
    assert (paged + rest, end) == (both, None)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "cursor=x", "state=lost", "table=%2F"),
        *("since=yesterday", "since=2026-11-21T09:00:00"),
    ],
)
async def test_a_wrong_question_for_deliveries(console: Console, query: str) -> None:
    answer = await console.ask("GET", f"/v1/deliveries?{query}")
    assert (answer.status, answer.problem.code) == (422, "invalid"), answer.content


async def test_what_failed_is_counted_first_and_then_sent(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await stuck(console, tables, table)
    before = tables.effects(table)
    since = (round_.started_at - timedelta(seconds=1)).isoformat()
    seen = await recover(console, since=since, table=table, dry_run=True)
    assert (seen["count"], places(seen["deliveries"])) == (len(OWED), OWED)
    assert seen["left_out"] == {"accepted": TAKEN}
    assert tables.effects(table) == before
    assert await console.told(round_.round, "leg.retried") == []

    part = await recover(console, since=since, table=table, environment="UAT")
    assert places(part["deliveries"]) == [("UAT", "result")]
    await eventually(lambda: tables.counts(table, "finish")["UAT"] == 1)
    assert {name for name, n in tables.counts(table, "deal").items() if n} == {"PRD", "QAT", "UAT"}

    all_ = await recover(console, since=since, table=table)
    assert all_["count"] == len(OWED) - 1
    await eventually(lambda: tables.counts(table, "finish") == ONCE)

    async def complete() -> bool:
        found = await console.read(round_.round)
        return (found.outcome, set(found.states.values())) == ("complete", {"finished"})

    await eventually(complete)
    assert tables.counts(table, "deal") == tables.counts(table, "finish") == ONCE
    told = await console.told(round_.round, "leg.retried")
    assert sorted((one["environment"], one["kind"]) for one in told) == OWED
    assert {(one["actor"], one["reason"]) for one in told} == {("admin", "recovered")}
    nothing = await recover(console, since=since, table=table)
    assert (nothing["count"], nothing["deliveries"]) == (0, [])


async def test_more_than_a_week_is_looked_at_first(
    console: Console, tables: TableApi, table: str
) -> None:
    round_ = await stuck(console, tables, table)
    wide = {"since": (round_.started_at - timedelta(days=8)).isoformat(), "table": table}
    for confirm in ({}, {"confirm": "0" * 16}):
        answer = await console.ask("POST", "/v1/deliveries/recover", {**wide, **confirm})
        assert (answer.status, answer.problem.code) == (409, "dry_run_first")
    assert await console.told(round_.round, "leg.retried") == []
    seen = await recover(console, **wide, dry_run=True)
    sent = await recover(console, **wide, confirm=seen["confirm"])
    assert (sent["count"], seen["count"]) == (len(OWED), len(OWED))
    await eventually(lambda: tables.counts(table, "finish") == ONCE)


NOON = "2026-11-21T12:00:00Z"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.since"),
        ({"since": NOON, "until": "2026-11-21T11:59:59Z"}, "body.until"),
        ({"since": NOON, "until": NOON}, "body.until"),
        ({"since": "2026-11-21T12:00:00"}, "body.since"),
        ({"since": NOON, "until": "2026-11-21T13:00:00"}, "body.until"),
        ({"since": "yesterday"}, "body.since"),
        ({"since": None}, "body.since"),
        ({"since": NOON, "dry_run": "yes"}, "body.dry_run"),
        ({"since": NOON, "table": "a/b"}, "body.table"),
        ({"since": NOON, "confirm": "x" * 65}, "body.confirm"),
        ({"since": NOON, "reason": "why not"}, "body.reason"),
    ],
)
async def test_a_wrong_wish_for_recovery(
    console: Console, tables: TableApi, body: dict[str, Any], field: str
) -> None:
    before = tables.all_effects()
    answer = await console.ask("POST", "/v1/deliveries/recover", body)
    assert (answer.status, answer.problem.field) == (422, field), answer.content
    assert tables.all_effects() == before
