"""Processes die at random moments under load: every round ends, and ledger and tables agree."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from random import Random

import httpx

from fleet.console import RESULTS, Answer, Console, Round, new_key, opened_console
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

DEALERS = 8
# Each dealer's rounds; more of them by hand: TEST_KILL_ROUNDS=65 ./manage.sh test fleet -k kills
ROUNDS = int(os.environ.get("TEST_KILL_ROUNDS", "8"))
RED = RESULTS["speed_roulette"]
PREY = ("gateway", "postgres", *(f"table-service-{one.lower()}" for one in ENVIRONMENTS))


async def insist(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask the same under the same key until it is answered, as a console has to."""

    async def once() -> Answer | None:
        try:
            answer = await ask()
        except httpx.TransportError:
            return None
        if "legs" in answer.content.decode():
            return answer
        assert answer.problem.code in (
            "database_unavailable",
            "gateway_unreachable",
            "still_running",
            "table_busy",
        ), answer.content
        return None

    answer = await eventually(once, within_s=60)
    assert answer is not None
    return answer


async def deal(console: Console, table: str) -> str:
    """Play one round to its end, whatever dies meanwhile."""
    started = await insist(partial(console.start, table, key=new_key()))
    round_id = started.round.round
    round_ = await settled(console, round_id)
    for name, body in (("bet-stop", {}), ("result", RED), ("finish", {})):
        if round_.state == "cancelled":
            break  # no leg opened: the round is over, and the dealer starts the next
        await insist(partial(console.command, name, round_id, key=new_key(), **body))
        round_ = await settled(console, round_id)
    assert round_.state in ("finished", "cancelled"), round_
    return round_id


async def settled(console: Console, round_id: str) -> Round:
    """Wait until nothing of the round is pending, whoever can't answer meanwhile."""

    async def look() -> Round | None:
        try:
            answer = await console.ask("GET", f"/v1/rounds/{round_id}")
        except httpx.TransportError:
            return None
        return answer.round if answer.status == 200 and answer.round.is_settled else None

    found = await eventually(look, within_s=90)
    assert found is not None
    return found


async def kill_until(fleet: Fleet, done: asyncio.Event, random: Random) -> int:
    """Kill one after the other, each when the one before is back."""
    kills = 0
    while not done.is_set():
        (await fleet.one(random.choice(PREY))).kill()
        kills += 1
        await fleet.whole(within_s=60)
    return kills


async def test_whatever_dies_every_round_ends_and_nothing_is_lost_or_doubled(
    fleet: Fleet, tables: TableApi, floor: Floor
) -> None:
    await fleet.whole()
    since = datetime.now(UTC).isoformat()
    names, done = [floor.take() for _ in range(DEALERS)], asyncio.Event()

    async def work(table: str) -> list[str]:
        async with opened_console(fleet.url, fleet.key) as console:
            return [await deal(console, table) for _ in range(ROUNDS)]

    killing = asyncio.create_task(kill_until(fleet, done, Random(7)))
    try:
        played = await asyncio.gather(*(work(name) for name in names))
    finally:
        done.set()
        kills = await killing
    assert kills > 2
    assert len({one for rounds in played for one in rounds}) == DEALERS * ROUNDS
    for name in names:
        assert all(count <= ROUNDS for count in tables.counts(name, "start").values())
    simulator = f"http://127.0.0.1:{tables.port}"
    said = await fleet.manage("verify", "--since", since, "--simulator", simulator)
    assert said.code == 0, said.out
