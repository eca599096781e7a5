"""One reader of events: what they asked for, and a bounded queue of what they are to be sent."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client import Counter

from fleetkit import logs
from gateway.services import frames
from ledger.domain.feed import Wanted

log = logs.get(__name__)

HEARTBEAT_S: Final = 15.0
MOST_FRAMES: Final = 5000
MOST_BYTES: Final = 2 * 1024 * 1024

CUT_OFF: Final = Counter("pitboss_event_readers_ended", "Streams ended by us.", ["reason"])


class End(Enum):
    """Why a stream is ended by us."""

    TOO_SLOW = "cut off, too slow", "you did not keep up; come back with Last-Event-ID"
    REVOKED = "key no longer valid", "this key was revoked or has run out"
    STOPPING = "stopping", "this gateway is going; come back with Last-Event-ID"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a reader wants, from where, and how to find out that they still may."""

    wanted: Wanted
    after: int | None
    # The environments a limited key sees; legs of others are left out.
    within: frozenset[str] | None
    # Readers of the same credential are checked once.
    credential: str
    still_allowed: Callable[[], Awaitable[bool]]


class Reader:
    """One open stream: what it is still to be sent, as long as that is not too much."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.ended = asyncio.Event()
        self.why: End | None = None
        # Numbers up to here come out of the ledger.
        self.after = 0
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()

    def end(self, why: End) -> None:
        if self.why is None:
            self.why = why
            CUT_OFF.labels(why.name.lower()).inc()
            self.ended.set()
            self._woken.set()

    def push(self, frame: bytes) -> None:
        if self.why is not None:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._woken.set()
        if len(self._frames) > MOST_FRAMES or self._bytes > MOST_BYTES:
            log.warning("reader_cut_off", frames=len(self._frames), bytes=self._bytes)
            self._frames.clear()
            self.end(End.TOO_SLOW)

    async def take(self) -> bytes:
        """Wait for what there is, all of it at once; a heartbeat when there is nothing for long."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._woken.wait()
        except TimeoutError:
            return frames.HEARTBEAT
        self._woken.clear()
        taken = b"".join(self._frames)
        self._frames.clear()
        self._bytes = 0
        return taken
