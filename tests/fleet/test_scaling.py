"""Replicas come and go under steady load, and no dealer notices."""

import time
from collections.abc import AsyncIterator
from functools import partial

import pytest

from fleet.console import Console
from fleet.dealing import dealing
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, REPLICAS, Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually


async def counts(fleet: Fleet) -> dict[str, int]:
    """Count the ready replicas of each service."""
    ready = [one.service for one in (await fleet.status()).values() if one.state == "ready"]
    return {name: ready.count(name) for name in ready}


async def stands(fleet: Fleet, expected: dict[str, int]) -> bool:
    """Look again where a replica under load was too slow to say in time that it is ready."""
    shown = await counts(fleet)
    return {name: shown[name] for name in expected} == expected


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
            await eventually(partial(stands, fleet, expected))
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
            if line["message"] in ("request_served", "attempt_made")
        } >= newest

    async def play() -> bool:
        await console.play(table)
        return served()

    table = floor.take()
    await eventually(play, within_s=120)


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

    await eventually(back, within_s=90)
    now = await fleet.status()
    assert now[victim.instance].restarts == victim.restarts + 1
    assert now[other.instance].pid == other.pid
    assert now[victim.instance].uptime_s < time.monotonic() - killed + 1
    assert tables.counts(table, "start") == dict.fromkeys(ENVIRONMENTS, 1)
