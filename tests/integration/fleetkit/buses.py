"""What the tests of the bus share: numbered entries, taken and counted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from fleetkit.bus import Batch, Bus, Entry, Queue
from fleetkit.testing import eventually

ON_BOTH = pytest.mark.parametrize("server", ["spare_valkey", "rabbit_server"], indirect=True)


class Server(Protocol):
    url: str

    async def start(self) -> None: ...
    async def kill(self) -> None: ...


def numbered(count: int, first: int = 0) -> list[dict[str, str | bytes]]:
    return [{"body": str(number)} for number in range(first, first + count)]


def bodies(entries: list[Entry]) -> list[int]:
    return [int(entry.body) for entry in entries]


async def take(batches: AsyncIterator[Batch], count: int, *, ack: bool = True) -> list[Entry]:
    """Take so many entries."""
    taken: list[Entry] = []
    async with asyncio.timeout(30):
        async for batch in batches:
            taken += batch.entries
            if ack:
                await batch.ack()
            if len(taken) >= count:
                break
    return taken


async def drained(bus: Bus, queue: Queue) -> None:
    async def is_empty() -> bool:
        return await bus.length(queue) == 0

    await eventually(is_empty, within_s=20)
