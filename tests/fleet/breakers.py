"""What the replicas of a pool hold of a target's breaker, as their gauges tell it."""

import re

import httpx

from fleet.rig import Fleet
from fleetkit.testing import eventually


async def holding_open(fleet: Fleet, table: str, pool: str = "table-service-cit") -> list[str]:
    """Name the replicas that take this target's breaker for open."""
    found = []
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for replica in await fleet.pool(pool):
            text = (await client.get(f"http://127.0.0.1:{replica.port}/metrics")).text
            if re.search(rf'breaker\S*{{[^}}]*"{table}"[^}}]*}} (1|0\.5)', text):
                found.append(replica.instance)
    return found


async def known_open(fleet: Fleet, table: str) -> None:
    """Wait until each replica of CIT has heard that it opened."""
    pool = {replica.instance for replica in await fleet.pool("table-service-cit")}

    async def heard() -> bool:
        return set(await holding_open(fleet, table)) == pool

    await eventually(heard)


async def known_closed(fleet: Fleet, table: str) -> None:
    """Wait until each replica of CIT has heard that it closed."""

    async def heard() -> bool:
        return not await holding_open(fleet, table)

    await eventually(heard, within_s=90)
