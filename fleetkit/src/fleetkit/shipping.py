"""Own log lines to the log service: beside the work, bounded, without secrets, never waited for."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import FastAPI
from prometheus_client import Counter
from starlette.types import Lifespan

from fleetkit import background, errors
from fleetkit.bus import Bus, Full, Queue, open_bus

HELD: Final = 10_000
"""Lines kept while Redis is away or slow; what comes then is dropped."""
ROOM: Final = Queue("logs", length=100_000, size=64 * 1024 * 1024)
"""Half of what may wait there by default: the fleet's own lines never shut out a device's."""
LOT: Final = 500
EVERY_S: Final = 0.5
LAST_BACKOFF_S: Final = 4.0
LAST_WORDS_S: Final = 1.0

SHIPPED: Final = Counter("pitboss_log_lines_shipped", "Own log lines sent to the log service.")
DROPPED: Final = Counter("pitboss_log_lines_dropped", "Own log lines that nobody could take.")

_SECRETS: Final = (
    (re.compile(rb"pb_[0-9A-Za-z]+_[\w-]{8,}"), rb"pb_[redacted]"),
    (re.compile(rb"(?i)(bearer +)[\w.~+/=-]{6,}"), rb"\1[redacted]"),
    (re.compile(rb'(://[^:/@\s"]*:)[^@/\s"]+@'), rb"\1[redacted]@"),
    (
        re.compile(
            rb'(?i)("[^"]*(?:password|passwd|secret|token|authorization|cookie|api.?key)[^"]*":\s*)'
            rb'"(?:[^"\\]|\\.)*"'
        ),
        rb'\1"[redacted]"',
    ),
)


# One of these is in whatever the patterns find, and to look for it takes a tenth of the time.
_SIGNS: Final = tuple(b"pb_ bearer :// passw secret token auth cookie api".split())


def redact(text: bytes) -> bytes:
    """Put a word in the place of what is, or is named, a secret."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Shipper:
    """Takes lines as they are logged, and sends them when there is time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lines: deque[bytes] = deque()

    def take(self, line: bytes) -> None:
        """Keep a line to be sent; from any thread, and in no time."""
        if len(self._lines) >= HELD:
            DROPPED.inc()
        else:
            self._lines.append(line)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with open_bus(self._url) as bus:
            try:
                async with background.running(self._run(bus)):
                    yield
            finally:
                with suppress(errors.Unavailable, TimeoutError):
                    async with asyncio.timeout(LAST_WORDS_S):
                        while self._lines:
                            await self._send(bus)

    def around(self, lifespan: Lifespan[FastAPI]) -> Lifespan[FastAPI]:
        """Give a lifespan that ships as long as that one lasts, and its last words too."""

        @asynccontextmanager
        async def shipping(app: FastAPI) -> AsyncIterator[object]:
            async with self.running(), lifespan(app) as state:
                yield state

        return shipping  # type: ignore[return-value]  # a lifespan may yield a state or none

    async def _run(self, bus: Bus) -> None:
        pause_s = EVERY_S
        while True:
            try:
                while self._lines:
                    await self._send(bus)
                pause_s = EVERY_S
            except errors.Unavailable:
                # No word of it in the log: that would be one more line to send.
                pause_s = min(2 * pause_s, LAST_BACKOFF_S)
            await asyncio.sleep(pause_s)

    async def _send(self, bus: Bus) -> None:
        lot = [self._lines.popleft() for _ in range(min(LOT, len(self._lines)))]
        try:
            plain = [redact(line) for line in lot]
            await bus.publish_many(ROOM, [{"ecs": line} for line in plain])
            SHIPPED.inc(len(lot))
        except Full as full:
            SHIPPED.inc(len(lot) - len(full.refused))
            DROPPED.inc(len(full.refused))
        except errors.Unavailable:
            room = max(0, HELD - len(self._lines))
            DROPPED.inc(max(0, len(lot) - room))
            self._lines.extendleft(reversed(lot[:room]))
            raise
