"""The fleet follows its load by itself, between the bounds of the configuration."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleet.console import Console
from fleet.floor import Floor
from fleet.rig import REPLICAS, ROOT, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

POOL = "table-service-qat"
PATH = "/v1/config/environments/QAT"
TABLES = 6
EASY = ("--interval", "0.3", "--up-after", "0", "--down-after", "2", "--cpu-high", "9000")
LIMITS = (*EASY, "--cpu-low", "8000", "--in-flight-high", "0.9", "--in-flight-low", "0.5")


@pytest.fixture(autouse=True)
async def _back(fleet: Fleet, console: Console) -> AsyncIterator[None]:
    await fleet.whole()
    before = json.loads((await console.ask("GET", PATH)).content)["config"]
    yield
    assert (await console.ask("PUT", PATH, before)).status == 200
    said = await fleet.manage("scale", f"{POOL}={REPLICAS}")
    assert said.code == 0, said


async def set_scaling(console: Console, low: int, high: int, *, automatic: bool = True) -> None:
    document = json.loads((await console.ask("GET", PATH)).content)["config"]
    document["scaling"] = {"min_instances": low, "max_instances": high, "auto_scale": automatic}
    answer = await console.ask("PUT", PATH, document)
    assert answer.status == 200, answer.content


async def ready(fleet: Fleet) -> int:
    return sum(one.state == "ready" for one in await fleet.pool(POOL))


@asynccontextmanager
async def autoscaling(fleet: Fleet) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(str(ROOT / "manage.sh"), "autoscale", "QAT", *LIMITS),
        env=fleet.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def slow_rounds(console: Console, tables: TableApi, floor: Floor) -> AsyncIterator[None]:
    """Keep calls under way in QAT until the block ends."""
    over = asyncio.Event()
    names = [floor.take() for _ in range(TABLES)]
    for name in names:
        tables.fail("latency", environment="QAT", table=name, ms=1200)

    async def keep_calling(table: str) -> None:
        while not over.is_set():
            answer = await console.start(table, environments=["QAT"])
            if answer.status in {201, 202}:
                await console.cancel(answer.round.round, wait_ms=5000)

    players = [asyncio.create_task(keep_calling(name)) for name in names]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*players)
        tables.heal()


async def test_a_pool_grows_under_load_and_shrinks_when_it_is_over(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor
) -> None:
    await set_scaling(console, 2, 3)

    async def has_three() -> bool:
        return await ready(fleet) == 3

    async def has_two() -> bool:
        return await ready(fleet) == len(await fleet.pool(POOL)) == 2

    async def told_of_growth() -> bool:
        shown = json.loads((await fleet.manage("status", "--json")).out)["autoscale"]
        assert shown["on"]
        steps = [one for one in shown["steps"] if one["environment"] == "QAT"]
        return [(step["from"], step["to"]) for step in steps] == [(2, 3)]

    async with autoscaling(fleet) as process:
        async with slow_rounds(console, tables, floor):
            await eventually(has_three, within_s=90)
            await eventually(told_of_growth, within_s=90)
            second = await fleet.manage("autoscale", "--once")
            assert (second.code, second.out) == (1, "")
        await eventually(has_two, within_s=90)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err.decode().strip()) == (130, "Interrupted.")
    # On a machine so slow that the load itself pauses, the pool may go up and down more than once.
    [_, grown, *between, shrunk] = out.decode().splitlines()
    assert grown.startswith(f"{POOL}: 2 -> 3, ")
    assert "in flight per replica, over 0.9" in grown
    assert shrunk.startswith(f"{POOL}: 3 -> 2, ")
    assert "in flight per replica: little for " in shrunk
    logged = [one for one in fleet.log_lines("autoscale") if one["event"] == "pool_scaled"]
    assert [one["to"] for one in logged] == [3, 2] * (len(logged) // 2)
    assert len(logged) == len(between) + 2
    said = await fleet.manage("status")
    assert "autoscale: off; last step " in said.out


async def test_one_look_keeps_the_bounds_and_leaves_alone_what_is_switched_off(
    fleet: Fleet, console: Console
) -> None:
    await set_scaling(console, 3, 4, automatic=False)
    said = await fleet.manage("autoscale", "qat", "--once")
    assert said.code == 0, said
    assert "QAT: auto_scale is off, so 2 stay, fewer than min_instances, 3." in said.out
    assert len(await fleet.pool(POOL)) == 2
    await set_scaling(console, 3, 4)
    said = await fleet.manage("autoscale", "QAT", "--once")
    assert (said.code, said.err) == (0, ""), said
    assert said.out == f"{POOL}: 2 -> 3, 2 is fewer than min_instances, 3\n"
    assert await ready(fleet) == 3
    said = await fleet.manage("autoscale", "NOWHERE", "--once")
    assert (said.code, said.out) == (1, ""), said
    assert "There is no pool of NOWHERE; there are CIT, PRD, " in said.err
