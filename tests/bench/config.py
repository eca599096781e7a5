"""R4: how soon a change of configuration is in force on every replica."""

import asyncio
import time
from typing import Final

from bench.figures import at_most, percentile
from bench.ground import Ground, tables
from bench.scenario import Report

_ENVIRONMENT: Final = "PRD"
_REPLICAS: Final = 3
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 15.0


async def run(ground: Ground, *, quick: bool) -> Report:
    """Change a document again and again, and ask until every replica runs the new version."""
    floor = tables("CFG", 50)
    await ground.lay(floor)
    await ground.manage("scale", f"table-service-{_ENVIRONMENT.lower()}={_REPLICAS}", "gateway=2")
    await ground.lay(floor)
    times = [await _change(ground, number) for number in range(10 if quick else 100)]
    await ground.manage("scale", f"table-service-{_ENVIRONMENT.lower()}=1", "gateway=1")
    name = f"a change in force on {_REPLICAS} replicas and 2 gateways, p99"
    note = f"p50 {percentile(times, 0.5):.3f} s, {len(times)} changes"
    return Report([at_most("R4", name, percentile(times, 0.99), 1, "s", note=note)])


async def _change(ground: Ground, number: int) -> float:
    """Give the seconds from the request to the moment it is in force everywhere."""
    path = f"/v1/config/environments/{_ENVIRONMENT}/tables/CFG-0000"
    began = time.perf_counter()
    answer = await ground.ask(
        "PUT", path, {"table": "CFG-0000", "type": "speed_roulette", "priority": number + 2}
    )
    version = answer.body["version"]
    while time.perf_counter() - began < _PATIENCE_S:
        status = await ground.ask("GET", "/v1/config/status")
        one = next(one for one in status.body["environments"] if one["environment"] == _ENVIRONMENT)
        if one["in_force"] and one["version"] >= version:
            break
        await asyncio.sleep(_POLL_S)
    return time.perf_counter() - began
