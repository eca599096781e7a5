"""A target that is down: few calls, a plain answer, probes in dead time, and back by itself."""

from typing import Any

import pytest

from fleet.breakers import known_closed, known_open
from fleet.console import RESULTS, Console, Round
from fleet.rig import ENVIRONMENTS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually
from listening import Listening

ONCE = dict.fromkeys(ENVIRONMENTS, 1)
RED = RESULTS["speed_roulette"]
DOWN: dict[str, dict[str, Any]] = {
    "5xx": {"kind": "status", "status": 503},
    "reset": {"kind": "refuse"},
}
OPERATIONS = ("sessions", "start", "bet-stop", "deal", "finish", "cancel", "get")
PROBED = "The target is not answering; it is probed until it does."


class Outage:
    """A table of CIT that is down for every call, counted by operation."""

    def __init__(self, tables: TableApi, table: str, fault: dict[str, Any]) -> None:
        self._tables = tables
        self._faults = {
            name: tables.fail(**fault, environment="CIT", table=table, operation=name)
            for name in OPERATIONS
        }

    def calls(self, operation: str) -> int:
        return self._tables.struck(self._faults[operation])

    @property
    def commands(self) -> int:
        return sum(self.calls(name) for name in OPERATIONS if name not in ("get", "sessions"))

    def end(self) -> None:
        for fault in self._faults.values():
            self._tables.end(fault)


async def light(console: Console, table: str) -> dict[str, Any]:
    answer = await console.client.get(f"/v1/tables/{table}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()["readiness"]
    return found


async def opens(console: Console, table: str) -> None:
    """Wait until the readiness tells of the open breaker."""

    async def told() -> bool:
        found = await light(console, table)
        return any(PROBED in sentence for sentence in found["why"])

    await eventually(told)
    found = await light(console, table)
    assert (found["light"], found["without"]) == ("go_without", [f"CIT/{table}"])


@pytest.mark.parametrize("fault", DOWN.values(), ids=DOWN)
async def test_a_result_waits_out_an_outage(
    fleet: Fleet, console: Console, tables: TableApi, table: str, fault: dict[str, Any]
) -> None:
    round_ = (await console.opened(table)).round
    assert (await console.bet_stop(round_)).status == 200
    outage = Outage(tables, table, fault)
    answer = await console.result(round_, **RED)
    assert answer.status == 207
    last = answer.round.leg("CIT").last
    assert last.outcome in ("pending", "unknown")
    assert last.next_attempt_at is not None
    assert {o for e, o in answer.round.outcomes.items() if e != "CIT"} == {"accepted"}
    await opens(console, table)
    await known_open(fleet, table)
    commands, probes = outage.commands, outage.calls("get")
    await eventually(lambda: outage.calls("get") >= probes + 2)
    # the command is held back meanwhile, and a probe is a look: seldom, and by one replica only
    assert outage.commands == commands <= len(("first", "second", "third"))
    assert outage.calls("get") <= probes + 4

    async def held_back() -> bool:
        waiting = (await console.read(round_)).leg("CIT").last
        assert waiting.outcome in ("pending", "unknown")
        assert waiting.next_attempt_at is not None
        return waiting.code == "breaker_open"

    await eventually(held_back)
    outage.end()
    done = await console.settled(round_)
    assert (done.outcome, tables.counts(table, "deal")) == ("complete", ONCE)
    await known_closed(fleet, table)
    assert (await console.finish(round_)).status == 200
    asked = {"table": table, "types": "breaker.opened,breaker.closed"}
    async with Listening.open(console.client, last=0, **asked) as told:
        # once a change, whichever of the replicas noticed it
        assert [e["type"] for e in await told.wait_for(2)] == ["breaker.opened", "breaker.closed"]

    # The replicas know it before they have said so in Redis, where the gateway reads it.
    async def goes() -> bool:
        return bool((await light(console, table))["light"] == "go")

    await eventually(goes)


async def left_out(console: Console, table: str) -> Round:
    """Start a round that opens everywhere but in CIT, and bring it to its end."""
    answer = await console.start(table)
    assert answer.status == 207, answer.content
    round_ = answer.round
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        done = await console.command(name, round_.round, **body)
        assert done.status in (200, 207), done.content
    assert (await console.settled(round_.round)).state == "finished"
    return round_


async def test_a_breaker_is_shared_and_a_start_behind_it_is_answered_at_once(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    await console.play(table)
    unavailable = {"kind": "status", "status": 503, "code": 13042}
    outage = Outage(tables, table, unavailable)
    first = (await left_out(console, table)).leg("CIT").last
    # When it was answered it was still tried, or given up for either reason: the pauses are drawn.
    assert (first.outcome, first.code) in (
        ("pending", "13042"),
        ("not_sent", "breaker_open"),
        ("expired", "deadline"),
    )
    await opens(console, table)
    await known_open(fleet, table)
    starts = outage.calls("start")
    for _ in range(4):
        leg = (await left_out(console, table)).leg("CIT")
        assert (leg.state, leg.last.outcome, leg.last.code) == (
            "failed",
            "not_sent",
            "breaker_open",
        )
        assert (leg.last.attempts, leg.last.detail) == (0, PROBED)
    assert outage.calls("start") == starts
    await known_open(fleet, table)

    calls = tables.requests()
    outage.end()

    async def closed() -> bool:
        return bool((await light(console, table))["light"] == "go")

    await eventually(closed, within_s=90)
    assert tables.requests() > calls, "a probe closed it, for nobody commanded anything"
    assert tables.counts(table, "start")["CIT"] == 1

    await known_closed(fleet, table)
    for _ in range(4):
        await console.play(table)
