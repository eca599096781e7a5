"""The way to the inner Nginx: what is known of a POST that did not go well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from fleetkit.testing import free_port
from gateway.adapters.inner import Inner, NoAnswerError, NotConnectedError, Said

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def served(serve: Serve, port: int = 0) -> AsyncIterator[Inner]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, LOOPBACK, port)
    async with server:
        yield Inner(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/inner", key="k")


async def read(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    """Read a request: its lines, and the body it announces."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    length = next(int(line.split(": ")[1]) for line in head if line.startswith("content-length"))
    return head, await reader.readexactly(length)


async def post(inner: Inner, within_s: float = 20.0) -> Said:
    return await inner.post("/prd/deliveries", b"[1]", {"x-request-id": "a"}, within_s=within_s)


async def test_the_request_is_whole_and_the_answer_comes_back() -> None:
    asked: list[tuple[list[str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read(reader))
        writer.write(b"HTTP/1.1 207 Well\r\nx: y\r\n\r\nfirst half, ")
        await writer.drain()
        writer.write(b"second half")

    async with served(serve) as inner:
        assert await post(inner) == Said(207, b"first half, second half")
    ((head, body),) = asked
    assert head[0] == "POST /inner/prd/deliveries HTTP/1.0"
    assert {"authorization: Bearer k", "x-request-id: a"} < set(head)
    assert body == b"[1]"


async def test_where_nobody_listens_nothing_was_sent() -> None:
    with pytest.raises(NotConnectedError):
        await post(Inner(f"http://{LOOPBACK}:{free_port()}", key="k"))


async def test_a_name_nobody_knows_means_that_nothing_was_sent() -> None:
    with pytest.raises(NotConnectedError):
        await post(Inner("http://nowhere.invalid:8081", key="k"))


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_connection_that_ends_without_an_answer_leaves_it_open_what_arrived(
    *, is_reset: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        if is_reset:
            writer.transport.abort()

    async with served(serve) as inner:
        with pytest.raises(NoAnswerError):
            await post(inner)


async def test_half_a_head_is_no_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nserver: n")

    async with served(serve) as inner:
        with pytest.raises(NoAnswerError):
            await post(inner)


async def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.read()  # until the other side gives up
        over.set()

    async with served(serve) as inner:
        with pytest.raises(NoAnswerError):
            await post(inner, within_s=0.05)
        async with asyncio.timeout(20):
            await over.wait()


async def test_an_address_that_was_lost_is_looked_up_again() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")

    port = free_port()
    inner = Inner(f"http://localhost:{port}", key="k")
    with pytest.raises(NotConnectedError):
        await post(inner)
    async with served(serve, port):
        assert await post(inner) == Said(200, b"{}")
