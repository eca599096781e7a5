"""Settlements made by couriers, heard from Postgres by whoever waits for a command."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from fleetkit.database import Listener
from ledger.store.deliveries import SETTLED_CHANNEL


class Settlements:
    """The commands somebody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @classmethod
    @asynccontextmanager
    async def listen(cls, url: str, *, name: str) -> AsyncIterator[Self]:
        settlements = cls()

        def heard(_channel: str, command: str) -> None:
            for event in settlements._waiting.get(command, ()):
                event.set()

        def reconnected() -> None:
            # What was said meanwhile is unknown: let everybody look.
            for command in settlements._waiting:
                heard("", command)

        async with Listener(
            url,
            name=f"{name}-settled",
            channels=[SETTLED_CHANNEL],
            on_notify=heard,
            on_reconnect=reconnected,
        ):
            yield settlements

    @contextmanager
    def expect(self, commands: Sequence[str]) -> Iterator[asyncio.Event]:
        """Be told of commands' settlements; entered before anything is sent: none is missed."""
        event = asyncio.Event()
        for command in commands:
            self._waiting.setdefault(command, set()).add(event)
        try:
            yield event
        finally:
            for command in commands:
                self._waiting[command].discard(event)
                if not self._waiting[command]:
                    del self._waiting[command]
