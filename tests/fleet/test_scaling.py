"""Replicas come and go under steady load, and no dealer notices."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from fleet.console import Console, opened_console
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, REPLICAS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

CONSOLES = 3


@dataclass(slots=True)
class Load:
    """What the consoles met."""

    rounds: int = 0
    failures: list[str] = field(default_factory=list)

    async def more(self, rounds: int) -> None:
        """Wait until so many more rounds are played."""
        wanted = self.rounds + rounds
        await eventually(lambda: self.failures or self.rounds >= wanted, within_s=60)
        assert self.failures == []


@asynccontextmanager
async def dealing(fleet: Fleet, floor: Floor) -> AsyncIterator[Load]:
    """Keep consoles playing full rounds, each on its own table, until the block ends."""
    load, over = Load(), asyncio.Event()

    async def deal(table: str) -> None:
        async with opened_console(fleet.url, fleet.key) as console:
            while not over.is_set():
                try:
                    await console.play(table)
                except Exception as failure:  # noqa: BLE001  # all of it is what is asked for
                    load.failures.append(f"{table}: {failure!r}")
                    return
                load.rounds += 1

    dealers = [asyncio.create_task(deal(floor.take())) for _ in range(CONSOLES)]
    try:
        yield load
    finally:
        over.set()
        await asyncio.gather(*dealers)


async def counts(fleet: Fleet) -> dict[str, int]:
    """Count the ready replicas of each service."""
    ready = [one.service for one in (await fleet.status()).values() if one.state == "ready"]
    return {name: ready.count(name) for name in ready}


@pytest.fixture(autouse=True)
async def _back(fleet: Fleet, console: Console) -> AsyncIterator[None]:
    assert console
    await fleet.whole()
    yield
    said = await fleet.manage("scale", f"table-service={REPLICAS}", "gateway=1")
    assert said.code == 0, said


async def test_scaling_under_load_fails_no_request(fleet: Fleet, floor: Floor) -> None:
    pools = [f"table-service-{name.lower()}" for name in ENVIRONMENTS]
    async with dealing(fleet, floor) as load:
        await load.more(2)
        for wishes, expected in (
            (["table-service=3", "gateway=2"], {**dict.fromkeys(pools, 3), "gateway": 2}),
            (["table-service=1"], {**dict.fromkeys(pools, 1), "gateway": 2}),
            (["table-service-prd=2"], {**dict.fromkeys(pools, 1), "table-service-prd": 2}),
            (["gateway=1", "table-service=2"], {**dict.fromkeys(pools, 2), "gateway": 1}),
        ):
            said = await fleet.manage("scale", *wishes)
            assert said.code == 0, said
            shown = await counts(fleet)
            assert {name: shown[name] for name in expected} == expected
            await load.more(4)
    assert load.failures == []


async def test_new_replicas_take_part(fleet: Fleet, console: Console, floor: Floor) -> None:
    said = await fleet.manage("scale", "table-service-prd=3", "gateway=2")
    assert said.code == 0, said
    newest = {"table-service-prd-3", "gateway-2"}

    def served() -> bool:
        return {
            str(line["service.instance"])
            for prefix in ("gateway-2", "table-service-prd-3")
            for line in fleet.log_lines(prefix)
            if line["message"] == "request_served"
        } >= newest

    async def play() -> bool:
        await console.play(table)
        return served()

    table = floor.take()
    await eventually(play, within_s=40)


async def test_a_killed_replica_is_back_and_counted(
    fleet: Fleet, console: Console, tables: TableApi, table: str
) -> None:
    [victim, other] = await fleet.pool("table-service-qat")
    victim.kill()
    killed = time.monotonic()

    async def told() -> bool:
        now = (await fleet.status())[victim.instance]
        return now.pid != victim.pid

    await eventually(told)
    played = await console.play(table)
    assert played.outcome == "complete"

    async def back() -> bool:
        now = (await fleet.status())[victim.instance]
        return now.state == "ready" and now.pid not in (None, victim.pid)

    await eventually(back, within_s=30)
    now = await fleet.status()
    assert now[victim.instance].restarts == victim.restarts + 1
    assert now[other.instance].pid == other.pid
    assert now[victim.instance].uptime_s < time.monotonic() - killed + 1
    assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, 1)
