"""A link that can be hurt: passes TCP on, each direction in a weather of its own."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, cast

LOOPBACK: Final = "127.0.0.1"
_RESET: Final = struct.pack("ii", 1, 0)  # to linger for no time: closing sends RST
_MOST_HELD: Final = 1 << 20
_NEXT: Final = 1e-6

Way = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to bytes that go one way; as it stands nothing does."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    cut_after: int | None = None  # of each connection; then both of its ends are reset
    swallow: bool = False  # half-open: nothing arrives and nobody is told


CALM: Final = Weather()


class _End(asyncio.Protocol):
    """One end of a connection; what it hears goes to the other, through the weather."""

    def __init__(self, line: "_Line", way: Way) -> None:
        self.line = line
        self.way = way
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.line.joined()

    def data_received(self, data: bytes) -> None:
        self.line.pass_on(self.way, data)

    def eof_received(self) -> bool:
        self.line.pass_on(self.way, None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.line.lost(self.way, broken=exc is not None)

    def pause_writing(self) -> None:
        self.line.hold(self, on=True)

    def resume_writing(self) -> None:
        self.line.hold(self, on=False)


class _Line:
    """A connection from a caller through the link to the upstream."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self.caller = _End(self, "up")
        self.upstream = _End(self, "down")
        self._early: list[bytes | None] = []
        self._due: dict[Way, float] = {"up": 0.0, "down": 0.0}
        self._held: dict[Way, int] = {"up": 0, "down": 0}
        self._passed: dict[Way, int] = {"up": 0, "down": 0}
        self._ended: set[Way] = set()
        self.poisoned = False
        self.over = False

    def joined(self) -> None:
        if self.upstream.transport is None:
            self._link.lines.add(self)
            self._link.tasks.append(self._loop.create_task(self._reach()))
            return
        early, self._early = self._early, []
        for data in early:
            self.pass_on("up", data)

    async def _reach(self) -> None:
        try:
            await self._loop.create_connection(lambda: self.upstream, LOOPBACK, self._link.upstream)
        except OSError:
            self.reset()
        if self.over:
            self.reset()

    def pass_on(self, way: Way, data: bytes | None) -> None:
        """Take bytes, or the end of them, on their way."""
        if way == "up" and self.upstream.transport is None:
            self._early.append(data)
            return
        weather = self._link.weather[way]
        if weather.swallow or self.poisoned:
            self.poisoned = True
            return
        size = 0 if data is None else len(data)
        now = self._loop.time()
        due = now + weather.latency_s
        if weather.jitter_s:
            due += self._link.random.uniform(0, weather.jitter_s)
        if weather.bytes_per_s:
            due = max(due, self._due[way]) + size / weather.bytes_per_s
        if due <= now and not self._held[way] and self._due[way] <= now:
            self._deliver(way, data)
            return
        self._due[way] = due = max(due, self._due[way] + _NEXT)
        self._held[way] += size + 1
        if self._held[way] > _MOST_HELD:
            self._listen(way, on=False)
        self._loop.call_at(due, self._arrive, way, data, size + 1)

    def _arrive(self, way: Way, data: bytes | None, weight: int) -> None:
        self._held[way] -= weight
        if self._held[way] <= _MOST_HELD:
            self._listen(way, on=True)
        if not self.over and not self.poisoned:
            self._deliver(way, data)

    def _deliver(self, way: Way, data: bytes | None) -> None:
        there = (self.upstream if way == "up" else self.caller).transport
        if there is None or there.is_closing():
            return
        if data is None:
            self._ended.add(way)
            with contextlib.suppress(OSError):  # it may have been reset this very moment
                there.write_eof()
            if len(self._ended) == len(self._due):
                self.close()
            return
        limit = self._link.weather[way].cut_after
        if limit is not None and self._passed[way] + len(data) > limit:
            there.write(data[: max(0, limit - self._passed[way])])
            self._loop.call_soon(self.reset)
            return
        self._passed[way] += len(data)
        there.write(data)

    def _listen(self, way: Way, *, on: bool) -> None:
        transport = (self.caller if way == "up" else self.upstream).transport
        if transport is not None and not transport.is_closing():
            (transport.resume_reading if on else transport.pause_reading)()

    def count_anew(self) -> None:
        self._passed = {"up": 0, "down": 0}

    def hold(self, slow: _End, *, on: bool) -> None:
        """Stop reading at the other end while this one can't write."""
        self._listen("down" if slow.way == "up" else "up", on=not on)

    def lost(self, way: Way, *, broken: bool) -> None:
        if self.over or (self._link.weather[way].swallow and not broken):
            return
        wait_s = max(0.0, self._due[way] - self._loop.time()) + _NEXT
        self._loop.call_later(wait_s, self.reset if broken else self.close)

    def close(self) -> None:
        self.over = True
        self._link.lines.discard(self)
        for end in (self.caller, self.upstream):
            if end.transport is not None:
                end.transport.close()

    def reset(self) -> None:
        """End both sides with RST."""
        self.over = True
        self._link.lines.discard(self)
        for end in (self.caller, self.upstream):
            if end.transport is not None:
                end.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                )
                end.transport.abort()


class Link:
    """A port of ours that leads to another one, for better or worse."""

    def __init__(self, upstream: int, random: Random) -> None:
        self.upstream = upstream
        self.random = random
        self.port = 0
        self.weather: dict[Way, Weather] = {"up": CALM, "down": CALM}
        self.lines: set[_Line] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.refusing = False
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._greet, LOOPBACK, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _greet(self) -> asyncio.Protocol:
        line = _Line(self)
        if self.refusing:
            asyncio.get_running_loop().call_soon(line.reset)
            line.over = True
        self.tasks = [task for task in self.tasks if not task.done()]
        return line.caller

    def set(self, weather: Weather, *ways: Way) -> None:
        """Let it be so from now on, both ways unless one is named."""
        for way in ways or ("up", "down"):
            self.weather[way] = weather
        for line in self.lines:
            line.count_anew()

    def refuse(self) -> None:
        """Reset what is there and what comes."""
        self.refusing = True
        self.reset()

    def reset(self) -> None:
        for line in list(self.lines):
            line.reset()

    def lift(self) -> None:
        """Be a good link again; connections that lost bytes are reset, as they can't go on."""
        self.refusing = False
        self.weather = {"up": CALM, "down": CALM}
        for line in list(self.lines):
            if line.poisoned:
                line.reset()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@asynccontextmanager
async def opened(upstream: int, random: Random | None = None) -> AsyncIterator[Link]:
    """Lend a link to a port of this machine."""
    link = Link(upstream, random or Random(0))
    await link.open()
    try:
        yield link
    finally:
        await link.close()
