"""Three environments broken in three ways, and by counts what the other two felt of it: nothing."""

import asyncio
from typing import Any

from fleet.console import RESULTS, UNSETTLED, Console, Round
from fleet.floor import Floor
from fleet.rig import Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

WELL = ("PRD", "STG")
BROKEN: dict[str, dict[str, Any]] = {
    "CIT": {"kind": "hang"},
    "UAT": {"kind": "latency", "ms": 30_000},
    "QAT": {"kind": "reset"},
}
TABLES = 8
COMMANDS: dict[str, dict[str, Any]] = {
    "start": {"deadline_ms": 60_000},
    "bet-stop": {},
    "result": RESULTS["speed_roulette"],
    "finish": {},
}

DELIVERIES = (
    "SELECT table_id, environment, state, attempts, settled_at <= deadline_at FROM deliveries"
)


async def accepted_where_all_is_well(console: Console, round_: str, command: str) -> Round:
    async def look() -> Round:
        found = await console.read(round_)
        for environment in WELL:
            last = found.leg(environment).last
            assert (last.command, last.outcome) == (command, "accepted"), environment
        return found

    return await eventually(look, within_s=60)


async def play(console: Console, table: str) -> Round:
    """Give each command as soon as the healthy legs have taken the one before."""
    answer = await console.start(table, wait_ms=0, **COMMANDS["start"])
    round_ = await accepted_where_all_is_well(console, answer.round.round, "start")
    for name, body in list(COMMANDS.items())[1:]:
        answer = await console.command(name, round_.round, wait_ms=0, **body)
        assert answer.status in (200, 202, 207), (name, answer)
        round_ = await accepted_where_all_is_well(console, round_.round, name)
    return round_


async def late(fleet: Fleet, names: list[str]) -> tuple[int, int]:
    """Count the healthy environments' commands, and those a first call did not settle in time."""
    said = await fleet.manage("psql", "-Atc", DELIVERIES)
    assert said.code == 0, said
    rows = [line.split("|") for line in said.out.splitlines()]
    ours = [row[2:] for row in rows if row[0] in names and row[1] in WELL]
    return len(ours), len([row for row in ours if row != ["accepted", "1", "t"]])


async def test_no_command_of_a_healthy_environment_is_late_beside_three_broken_ones(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    names = [floor.take() for _ in range(TABLES)]
    for name in names:
        for environment, fault in BROKEN.items():
            tables.fail(environment=environment, table=name, **fault)
    played = await asyncio.gather(*(play(console, name) for name in names))
    # The broken ones were broken all the while: not one of their legs has opened.
    states = {one.leg(environment).state for one in played for environment in BROKEN}
    assert states <= {"pending", "failed"}, states
    assert await late(fleet, names) == (TABLES * len(COMMANDS) * len(WELL), 0)
    for name in names:
        for operation in ("start", "bet-stop", "deal", "finish"):
            counts = tables.counts(name, operation)
            assert {counts[environment] for environment in WELL} == {1}, (operation, counts)
    tables.heal()
    for one in played:
        done = await console.settled(one.round, within_s=60)
        assert not {outcome for outcome in done.outcomes.values() if outcome in UNSETTLED}
