"""Tails: lines as they are written, to whoever follows; a slow one is told what it missed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import orjson

from fleetkit import errors
from fleetkit.clock import rfc3339
from log_service.adapters import meters
from log_service.adapters.wire import Hearer
from log_service.domain.lines import Stored
from log_service.domain.searches import Filter

HELD: Final = 2000
"""Lines kept for a follower that does not take them; then the oldest are gone."""
STILL_S: Final = 15.0
MOST: Final = 50
_LISTEN_S: Final = 2.0


class Tail:
    """One follower."""

    def __init__(self, wanted: Filter) -> None:
        self.ended = asyncio.Event()
        self._wanted = wanted
        self._lines: deque[Stored] = deque()
        self._missed = 0
        self._unsure = False
        self._news = asyncio.Event()

    def hear(self, lines: Sequence[Stored] | None) -> None:
        if lines is None:
            self._unsure = True
        else:
            self._lines.extend(one for one in lines if self._wanted.takes(one.line))
            while len(self._lines) > HELD:
                self._lines.popleft()
                self._missed += 1
                meters.MISSED.inc()
        if self._lines or self._unsure:
            self._news.set()

    async def next(self) -> bytes:
        """Give what came, or a comment after 15 s of nothing."""
        try:
            async with asyncio.timeout(STILL_S):
                await self._news.wait()
        except TimeoutError:
            return b": still here\n\n"
        self._news.clear()
        parts = []
        if self._missed or self._unsure:
            told = orjson.dumps({"missed": self._missed or None}).decode()
            parts.append(f"event: gap\ndata: {told}\n\n")
            self._missed, self._unsure = 0, False
        lines, self._lines = self._lines, deque()
        parts += [_event(one) for one in lines]
        return "".join(parts).encode()


class Tails:
    """All followers of this replica."""

    def __init__(self, hearer: Hearer, *, draining: Callable[[], bool]) -> None:
        self._hearer = hearer
        self._draining = draining
        self._open = 0

    def admit(self, wanted: Filter) -> Tail:
        if self._open >= MOST:
            raise errors.TooMany(
                f"{MOST} follow the logs here already; try again later.",
                code="too_many_tails",
                retry_after_s=5,
            )
        return Tail(wanted)

    async def follow(
        self, tail: Tail, still_allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Give parts until the follower leaves, may follow no longer, or we stop."""
        self._open += 1
        try:
            async with self._hearer.hearing(tail.hear) as listening:
                yield b"retry: 1000\n\n"
                try:
                    async with asyncio.timeout(_LISTEN_S):
                        await listening.wait()
                    yield b": listening\n\n"
                except TimeoutError:
                    tail.hear(None)
                loop = asyncio.get_running_loop()
                checked = loop.time()
                while not self._draining():
                    part = await tail.next()
                    if loop.time() - checked > STILL_S:
                        checked = loop.time()
                        if not await still_allowed():
                            yield b": the key is no longer valid\n\n"
                            return
                    yield part
        finally:
            self._open -= 1


def _event(one: Stored) -> str:
    line = one.line
    told = {
        "at": rfc3339(line.at),
        "id": one.id,
        "received_at": rfc3339(one.received_at),
        "device_id": line.device_id,
        "level": line.level,
        "service": line.service,
        "trace_id": line.trace_id,
        "message": line.message,
        "metadata": orjson.Fragment(line.metadata) if line.metadata else None,
    }
    return f"id: {one.id}\nevent: log\ndata: {orjson.dumps(told).decode()}\n\n"
