"""What status shows of each process: as it is now, and how much it has under way."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from native import probes
from native.child import Child, State

_LOOK_SECONDS: Final = 2.5
_ANSWERING: Final = (State.READY, State.UNREADY)


async def show(children: Sequence[Child], replicas: Sequence[Child]) -> list[dict[str, Any]]:
    """Look at all of them at once; only replicas say what they have under way."""
    counts: dict[str, int | None] = {}

    async def look(child: Child) -> None:
        await child.look()
        if child in replicas and child.state in _ANSWERING:
            counts[child.identity.instance] = await probes.read_in_flight(child.port)

    looks = [asyncio.create_task(look(child)) for child in children]
    if looks:
        _, slow = await asyncio.wait(looks, timeout=_LOOK_SECONDS)
        for task in slow:
            task.cancel()
    return [_row(child, counts.get(child.identity.instance)) for child in children]


def _row(child: Child, in_flight: int | None) -> dict[str, Any]:
    return {
        "service": child.identity.service,
        "instance": child.identity.instance,
        "environment": child.identity.environment,
        "pid": child.pid,
        "container": None,
        "port": child.port,
        "state": child.state.value,
        "in_flight": in_flight,
        "uptime_s": round(child.uptime, 1),
        "restarts": child.restarts,
    }
