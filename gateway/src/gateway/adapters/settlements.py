"""Settlements made by couriers, heard from Postgres by whoever waits for a command."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from fleetkit.database import Listener
from ledger.store.deliveries import SETTLED_CHANNEL


class Settlements:
    """The commands somebody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    @classmethod
    @asynccontextmanager
    async def listen(cls, url: str, *, name: str) -> AsyncIterator[Self]:
        settlements = cls()

        def heard(_channel: str, command: str) -> None:
            event = settlements._waiting.get(command)
            if event is not None:
                event.set()

        def reconnected() -> None:
            # What was said meanwhile is unknown: let everybody look.
            for event in settlements._waiting.values():
                event.set()

        async with Listener(
            url,
            name=f"{name}-settled",
            channels=[SETTLED_CHANNEL],
            on_notify=heard,
            on_reconnect=reconnected,
        ):
            yield settlements

    @contextmanager
    def expect(self, command: str) -> Iterator[asyncio.Event]:
        """Be told of a command's settlements; entered before anything is sent: none is missed."""
        event = self._waiting[command] = asyncio.Event()
        try:
            yield event
        finally:
            del self._waiting[command]
