"""The fault proxy does to a link what it says, and nothing when the weather is calm."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chaos.proxy import LOOPBACK, Link, Weather, opened
from fleetkit.testing import eventually, free_port

MUCH = bytes(range(256)) * 4000


class Echo:
    """Says back what it hears, and remembers how much that was."""

    def __init__(self) -> None:
        self.heard = 0
        self.ends: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.heard += len(data)
                writer.write(data)
                await writer.drain()
            self.ends.append("eof")
        except ConnectionError:
            self.ends.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    async with opened(server.sockets[0].getsockname()[1]) as link:
        yield link, echo
    server.close()


async def connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(LOOPBACK, link.port)


async def say(link: Link, text: bytes = b"hello") -> bytes:
    reader, writer = await connect(link)
    try:
        writer.write(text)
        async with asyncio.timeout(20):
            return await reader.readexactly(len(text))
    finally:
        writer.close()


async def test_a_calm_link_passes_all_on_and_ends_as_its_ends_do() -> None:
    async with linked() as (link, echo):
        reader, writer = await connect(link)
        writer.write(MUCH)
        writer.write_eof()
        assert await reader.read(-1) == MUCH
        writer.close()
        assert echo.ends == ["eof"]
        await eventually(lambda: not link.lines)


async def test_latency_delays_and_keeps_the_order() -> None:
    async with linked() as (link, _):
        link.set(Weather(latency_s=0.05, jitter_s=0.05))
        began = time.monotonic()
        reader, writer = await connect(link)
        for number in range(20):
            writer.write(bytes([number]))
            await asyncio.sleep(0)
        assert await reader.readexactly(20) == bytes(range(20))
        assert time.monotonic() - began >= 0.1  # there and back
        writer.close()


async def test_bandwidth_is_bounded() -> None:
    async with linked() as (link, _):
        link.set(Weather(bytes_per_s=20_000), "up")
        began = time.monotonic()
        assert await say(link, b"x" * 10_000) == b"x" * 10_000
        assert time.monotonic() - began >= 0.5


async def test_cut_after_so_many_bytes() -> None:
    async with linked() as (link, echo):
        link.set(Weather(cut_after=3), "up")
        with pytest.raises(ConnectionError):
            await say(link)
        await eventually(lambda: len(echo.ends) == 1)
        assert echo.heard <= 3
        link.lift()
        assert await say(link) == b"hello"


async def test_half_open_tells_nobody_until_it_is_lifted() -> None:
    async with linked() as (link, echo):
        link.set(Weather(swallow=True), "down")
        reader, writer = await connect(link)
        writer.write(b"hello")
        await eventually(lambda: echo.heard == 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        link.lift()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert await say(link) == b"hello"


async def test_reset_ends_what_is_there_and_refuse_also_what_comes() -> None:
    async with linked() as (link, echo):
        reader, writer = await connect(link)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        link.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert await say(link) == b"hello"
        link.refuse()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(link)
        link.lift()
        assert await say(link) == b"hello"
        await eventually(lambda: len(echo.ends) == 3)


async def test_a_link_to_nowhere_is_reset() -> None:
    async with opened(free_port()) as link:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await say(link)
