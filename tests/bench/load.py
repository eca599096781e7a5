"""Whoever asks: so many commands a second, or so many at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

from bench.ground import Answer, Ground, Target

_SETTLED: Final = frozenset({200, 201})


@dataclass(frozen=True, slots=True)
class Sample:
    """A command as whoever asked met it."""

    command: str
    status: int
    ms: float
    body: Mapping[str, Any]

    @property
    def fine(self) -> bool:
        return self.status in _SETTLED

    @property
    def over_slowest_ms(self) -> float:
        """Give what it took over the slowest target's own time."""
        return self.ms - max(float(leg["last"]["latency_ms"]) for leg in self.body["legs"])


async def command(ground: Ground, name: str, path: str, body: object) -> Sample:
    began = time.perf_counter()
    answer: Answer = await ground.ask("POST", path, body)
    return Sample(name, answer.status, (time.perf_counter() - began) * 1000, answer.body)


async def start(ground: Ground, table: str, **body: object) -> Sample:
    return await command(ground, "start", f"/v1/tables/{table}/rounds", body)


async def go_on(ground: Ground, round_: str, name: str, **body: object) -> Sample:
    return await command(ground, name, f"/v1/rounds/{round_}/{name}", body)


async def play(ground: Ground, table: str) -> list[Sample]:
    """Play a round: start, bet-stop, result, finish."""
    samples = [await start(ground, table)]
    if "round" in samples[0].body:
        round_ = samples[0].body["round"]
        samples.append(await go_on(ground, round_, "bet-stop"))
        samples.append(await go_on(ground, round_, "result", roulette="17"))
        samples.append(await go_on(ground, round_, "finish"))
    return samples


async def at_once(
    workers: int, seconds: float, act: Callable[[int], Awaitable[object]]
) -> tuple[int, float]:
    """Have so many act one after the other until time is up; give how often, and how long."""
    began, done = time.perf_counter(), 0

    async def work(worker: int) -> None:
        nonlocal done
        while time.perf_counter() - began < seconds:
            await act(worker)
            done += 1

    await asyncio.gather(*map(work, range(workers)))
    return done, time.perf_counter() - began


async def paced(rate: float, seconds: float, act: Callable[[int], Awaitable[object]]) -> int:
    """Act so many times a second, whether those before are done or not; wait for all."""
    began, tasks = time.perf_counter(), []
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.ensure_future(act(number)))
    await asyncio.gather(*tasks)
    return len(tasks)


async def warm_up(ground: Ground, floor: Sequence[Target], times: int = 1) -> None:
    """Play at each table, so that sessions, pools and plans are there."""
    room = asyncio.Semaphore(8)

    async def one(table: str) -> None:
        async with room:
            await play(ground, table)

    for _ in range(times):
        await asyncio.gather(*(one(name) for name in every_name(floor)))


def every_name(floor: Sequence[Target]) -> list[str]:
    """Name the tables, each once however many targets it has."""
    return list(dict.fromkeys(str(one["table"]) for one in floor))


def names_of(floor: Sequence[Target]) -> Iterator[str]:
    """Give the tables in turn, without end."""
    return cycle(every_name(floor))
