"""P10: what a replica holds on to after very many commands."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import psutil

from bench.figures import at_most
from bench.ground import Ground, tables
from bench.load import play
from bench.scenario import Bar, Chart, Report

_ENVIRONMENT: Final = "PRD"
_OTHERS: Final = ("CIT", "UAT", "QAT", "STG")
_AT_ONCE: Final = 20
_STEPS: Final = 20
_MOST_MIB: Final = 120.0
_GROWTH: Final = 0.05
_MORE: Final = 5


@dataclass(frozen=True, slots=True)
class _Look:
    """A replica at one moment."""

    commands: int
    mib: float
    files: int
    connections: int


async def run(ground: Ground, *, quick: bool) -> Report:
    """Send all commands through one replica of one environment, and look at it in between."""
    commands, steps = (1000, 8) if quick else (100_000, _STEPS)

    async def play_some(_: int) -> int:
        return await _play_until(ground, commands // steps)

    return await _watch(ground, play_some, steps=steps, enough=not quick)


async def soak(ground: Ground, minutes: float) -> Report:
    """Do the same for a time instead of a number."""

    async def play_some(step: int) -> int:
        ground.say(f"  {minutes * step / _STEPS:.1f} of {minutes:g} minutes")
        until = time.monotonic() + 60 * minutes / _STEPS
        done = 0
        while time.monotonic() < until:
            done += await _play_until(ground, 4 * _AT_ONCE)
        return done

    return await _watch(ground, play_some, steps=_STEPS, enough=True)


async def _watch(
    ground: Ground, play_some: Callable[[int], Awaitable[int]], *, steps: int, enough: bool
) -> Report:
    """Look at the processes after each step; `enough` says whether growth can be judged."""
    await ground.lay([], *_OTHERS)
    await ground.lay(tables("MEM", _AT_ONCE), _ENVIRONMENT)
    watched = {
        one.service: psutil.Process(one.pid)
        for one in await ground.processes()
        if one.service in {"gateway", f"table-service-{_ENVIRONMENT.lower()}"} and one.pid
    }
    looks: dict[str, list[_Look]] = {name: [] for name in watched}
    done = 0
    for step in range(steps):
        done += await play_some(step)
        for name, process in watched.items():
            looks[name].append(_look(process, done))
    await ground.lay([])
    bars = [bar for name, seen in looks.items() for bar in _bars(name, seen, enough=enough)]
    chart = Chart(
        "memory",
        "Memory of a replica",
        "commands",
        "MiB",
        {name: [(float(one.commands), one.mib) for one in seen] for name, seen in looks.items()},
    )
    return Report(bars, [chart])


async def _play_until(ground: Ground, wanted: int) -> int:
    done = 0

    async def act(worker: int) -> None:
        nonlocal done
        while done < wanted:
            played = await play(ground, f"MEM-{worker:04}")
            done += len(played)  # in a line of its own: the sum is read after the wait

    await asyncio.gather(*map(act, range(_AT_ONCE)))
    return done


def _look(process: psutil.Process, commands: int) -> _Look:
    with process.oneshot():
        return _Look(
            commands,
            process.memory_info().rss / (1 << 20),
            process.num_fds(),
            len(process.net_connections("tcp")),
        )


def _bars(name: str, seen: list[_Look], *, enough: bool) -> list[Bar]:
    """Judge the end, and the second half: what is only filled once is not growth."""
    first, half, last = seen[0], seen[len(seen) // 2 - 1], seen[-1]
    growth = last.mib / half.mib - 1
    files = last.files - half.files
    connections = last.connections - half.connections
    flat = growth < _GROWTH and files <= _MORE and connections <= _MORE
    note = f"{first.mib:.0f} MiB after {first.commands} commands, {half.mib:.0f} after half of them"
    held = f"open files {half.files} then {last.files}, "
    held += f"connections {half.connections} then {last.connections}"
    return [
        at_most(
            "P10",
            f"memory of {name} after {last.commands} commands",
            last.mib,
            _MOST_MIB,
            "MiB",
            note=note,
        ),
        Bar(
            "P10",
            f"growth of {name} over the second half",
            growth * 100,
            "%",
            "no growth (< 5 %)",
            met=flat if enough else None,
            note=held if enough else f"{held}; too few commands to judge",
        ),
    ]
