"""The hand that carries a plan out: strikes, holds, lifts, and notes when it was well again."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import psutil

from chaos.ground import LOOPBACK, Ground, Process
from chaos.plan import Action, Fault
from chaos.proxy import Weather

_BACK_S: Final = 120.0
_POLL_S: Final = 0.15
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was: when it began, and when what it struck was back."""

    fault: Fault
    began: float
    back: float


class Hand:
    """Strikes in the plan's order, two at once at most, the same thing once at a time."""

    def __init__(self, ground: Ground, seed: int, say: Callable[[str], None]) -> None:
        self._ground = ground
        self._random = Random(seed)
        self._say = say
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.struck: list[Struck] = []

    async def carry_out(self, plan: Iterable[Fault]) -> None:
        """Begin each fault at its time, or when there is room for it."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
                await self._room.acquire()
                tasks.create_task(self._strike(fault))

    async def _strike(self, fault: Fault) -> None:
        try:
            kinds = (Action.LINK, Action.TABLE_API)
            place = fault.target if fault.action not in kinds else f"{fault.action} {fault.target}"
            async with self._turns[service_of(place)]:
                began, back = await self._ways(fault)
                self.struck.append(Struck(fault, began, back))
                self._say(f"{fault}, back after {back - began:.1f} s")
        finally:
            self._room.release()

    async def _ways(self, fault: Fault) -> tuple[float, float]:
        match fault.action:
            case Action.LINK:
                return await self._hurt_link(fault)
            case Action.TABLE_API:
                return await self._break_table_api(fault)
            case Action.FLUSH:
                return await self._flush()
            case Action.PAUSE:
                return await self._pause(fault)
            case Action.KILL:
                return await self._end(fault, signal.SIGKILL)
            case Action.RESTART:
                gentle = signal.SIGINT if fault.target == "postgres" else signal.SIGTERM
                return await self._end(fault, gentle)

    async def _hurt_link(self, fault: Fault) -> tuple[float, float]:
        link, figures = self._ground.links[fault.target], dict(fault.figures)
        began = time.monotonic()
        how, _, way = fault.how.partition(" ")
        if how == "reset":
            link.reset()
            return began, time.monotonic()
        try:
            if how == "refuse":
                link.refuse()
            else:
                weather = _weather(how, figures)
                ways = {"up": ("up",), "down": ("down",)}.get(way, ("up", "down"))
                link.set(weather, *ways)
            await asyncio.sleep(fault.hold_s)
        finally:
            link.lift()
        return began, time.monotonic()

    async def _break_table_api(self, fault: Fault) -> tuple[float, float]:
        kind, _, side = fault.how.partition(" ")
        fields: dict[str, Any] = {"environment": fault.environment, **dict(fault.figures)}
        if side:
            fields["effect"] = side
        began = time.monotonic()
        number = await asyncio.to_thread(self._ground.tables.fail, kind, **fields)
        try:
            await asyncio.sleep(fault.hold_s)
        finally:
            await asyncio.shield(asyncio.to_thread(self._ground.tables.end, number))
        return began, time.monotonic()

    async def _flush(self) -> tuple[float, float]:
        await self._find("redis")
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(LOOPBACK, self._ground.redis_port)
        writer.write(b"FLUSHALL\r\n")
        await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return began, time.monotonic()

    async def _pause(self, fault: Fault) -> tuple[float, float]:
        process = await self._find(fault.target)
        pids = _family(process, fault.target)
        began = time.monotonic()
        try:
            _signal(pids, signal.SIGSTOP)
            await asyncio.sleep(fault.hold_s)
        finally:
            _signal(pids, signal.SIGCONT)
        return began, time.monotonic()

    async def _end(self, fault: Fault, number: signal.Signals) -> tuple[float, float]:
        process = await self._find(fault.target)
        began = time.monotonic()
        if fault.target == "nginx-worker":
            workers = _family(process, fault.target)
            _signal(workers[:1], number)
            await self._until(lambda: _is_back(process, workers))
            return began, time.monotonic()
        _signal([process.pid or 0], number)
        while True:
            await asyncio.sleep(_POLL_S)
            now = {one.instance: one for one in await self._ground.processes()}
            found = now.get(process.instance)
            if found and found.pid not in {None, process.pid} and found.state == "ready":
                return began, time.monotonic()
            if time.monotonic() > began + _BACK_S:
                raise TimeoutError(f"{process.instance} is not back after {_BACK_S:g} s: {found}")

    async def _until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(_BACK_S):
            while not check():  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(_POLL_S)

    async def _find(self, target: str) -> Process:
        """Wait for a process of this kind that is ready, and choose one."""
        service = service_of(target)
        async with asyncio.timeout(_BACK_S):
            while True:
                ready = [
                    one
                    for one in await self._ground.processes()
                    if one.service == service and one.state == "ready" and one.pid is not None
                ]
                if ready:
                    return self._random.choice(ready)
                await asyncio.sleep(_POLL_S)


def service_of(target: str) -> str:
    """Name the service that is struck: an nginx worker is nginx's, a log worker its own."""
    return "nginx" if target == "nginx-worker" else target


def _weather(how: str, figures: dict[str, float]) -> Weather:
    if how == "latency":
        return Weather(figures["latency_ms"] / 1000, figures["jitter_ms"] / 1000)
    if how == "bandwidth":
        return Weather(bytes_per_s=figures["bytes_per_s"])
    if how == "cut":
        return Weather(cut_after=round(figures["bytes"]))
    return Weather(swallow=True)


def _family(process: Process, target: str) -> list[int]:
    """Give the pids that make up the target: a server may do its work in children."""
    pid = process.pid or 0
    try:
        children = [one.pid for one in psutil.Process(pid).children()]
    except psutil.Error:
        children = []
    if target == "nginx-worker":
        return children
    return [pid, *(children if target == "postgres" else ())]


def _is_back(process: Process, before: list[int]) -> bool:
    now = _family(process, "nginx-worker")
    return len(now) >= len(before) and now != before


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
