"""Where the processor's time goes, by the parts of the fleet."""

import os
from collections.abc import Mapping, Sequence
from typing import Final

import psutil

from bench.ground import Ground
from bench.scenario import Grid

FLEET: Final = ("nginx", "gateway", "table-service", "postgres", "redis", "services")
"""The parts of ours, in a command's order; `services` count figures and write logs."""
_OUTSIDE: Final = ("table api", "load")


class Meter:
    """Reads what each part has used; knows the processes that ran when it was made."""

    def __init__(self, pids: Sequence[tuple[str, int]]) -> None:
        self._pids = (*pids, ("load", os.getpid()))

    @classmethod
    async def of(cls, ground: Ground) -> "Meter":
        found = [(_part(one.service), one.pid) for one in await ground.processes()]
        pids = [(part, pid) for part, pid in found if pid is not None]
        return cls([*pids, ("table api", ground.stub_pid)])

    def read(self) -> dict[str, float]:
        """Give the seconds each part has used so far."""
        seconds = dict.fromkeys((*FLEET, *_OUTSIDE), 0.0)
        for part, pid in self._pids:
            seconds[part] += family_s(pid, children=part != "load")
        return seconds


def _part(service: str) -> str:
    name = "table-service" if service.startswith("table-service") else service
    return name if name in FLEET else "services"


def family_s(pid: int, *, children: bool = True) -> float:
    """Count a process, with its children and those it had."""
    try:
        process = psutil.Process(pid)
        own = process.cpu_times()
        total = float(own.user + own.system)
        if children:
            total += own.children_user + own.children_system
            for child in process.children(recursive=True):
                times = child.cpu_times()
                total += times.user + times.system
    except psutil.NoSuchProcess:
        return 0.0
    return total


def per_command(
    before: Mapping[str, float], after: Mapping[str, float], commands: int
) -> dict[str, float]:
    """Give the milliseconds that one command cost each part."""
    return {part: (after[part] - before[part]) * 1000 / max(1, commands) for part in before}


def of_fleet(costs: Mapping[str, float]) -> float:
    """Sum what is ours: without the Table API and who asks."""
    return sum(costs[part] for part in FLEET)


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> Grid:
    """Lay costs out, a row each, with what is ours summed up."""
    header = ["", *FLEET, "ours in all", *_OUTSIDE]
    lines: Sequence[Sequence[str]] = [
        [
            name,
            *(f"{costs[part]:.2f}" for part in FLEET),
            f"{of_fleet(costs):.2f}",
            *(f"{costs[part]:.2f}" for part in _OUTSIDE),
        ]
        for name, costs in rows.items()
    ]
    return Grid(title, header, lines)
