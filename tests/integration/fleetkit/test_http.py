import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from fleetkit import http
from fleetkit.testing import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Ask = Callable[[http.Client, str], Awaitable[int]]


async def by_the_pipeline(client: http.Client, url: str) -> int:
    return (await client.post(url, json={"roulette": "17"})).status_code


async def by_the_pool(client: http.Client, url: str) -> int:
    said = await client.exchange("POST", url, headers={}, body=b'{"roulette": "17"}', most=1024)
    return said.status


@pytest.fixture(params=[by_the_pipeline, by_the_pool])
def ask(request: pytest.FixtureRequest) -> Ask:
    way: Ask = request.param
    return way


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)


async def test_a_refused_connection_is_a_connect_error(ask: Ask) -> None:
    async with http.client() as client:
        with pytest.raises(httpx.ConnectError):
            await ask(client, f"http://127.0.0.1:{free_port()}/")


async def test_a_connection_closed_after_the_request_was_sent_is_no_connect_error(ask: Ask) -> None:
    async def close(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with answering(close) as url, http.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, url)


async def test_a_connection_reset_after_the_request_was_sent_is_no_connect_error(ask: Ask) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with answering(reset) as url, http.client() as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)):
            await ask(client, url)


async def test_no_answer_in_time_is_a_read_timeout() -> None:
    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with answering(hang) as url, http.client(read_s=0.1) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(url, json={})


@pytest.mark.parametrize(
    "half", [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", b"HTTP/1.1"]
)
async def test_half_an_answer_is_a_protocol_error(half: bytes, ask: Ask) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(half)
        await writer.drain()

    async with answering(cut) as url, http.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, url)


async def test_what_is_no_http_is_a_protocol_error(ask: Ask) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 smtp.example ready\r\n\r\n")
        await writer.drain()

    async with answering(babble) as url, http.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client, url)


async def test_connections_are_kept_and_cookies_and_redirects_are_not(ask: Ask) -> None:
    connections = 0
    requests: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                requests.append(await read_request(reader))
            except asyncio.IncompleteReadError:
                return
            writer.write(
                b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\nset-cookie: a=b; path=/\r\n"
                b"content-length: 0\r\n\r\n"
            )
            await writer.drain()

    async with answering(redirect) as url, http.client() as client:
        for _ in range(3):
            assert await ask(client, url) == 302
    assert connections == 1
    assert len(requests) == 3
    assert all(b"cookie" not in request.lower() for request in requests)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        await writer.drain()

    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with answering(greet) as url, http.client() as client:
        assert (await client.get(url)).text == "hi"


@pytest.mark.parametrize("packed", [True, False])
async def test_the_pool_unpacks_and_reads_little_more_than_asked(packed: bool) -> None:
    text = random.Random(1).randbytes(1_000_000)
    body = gzip.compress(text, 1) if packed else text
    coding = "content-encoding: gzip\r\n" if packed else ""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = f"HTTP/1.1 200 OK\r\n{coding}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    async with answering(tell) as url, http.client() as client:
        said = await client.exchange("GET", url, headers={}, body=None, most=1)
    assert text.startswith(said.body)
    assert 1 < len(said.body) < 100_000


async def test_the_pool_says_when_what_is_packed_can_not_be_read() -> None:
    async def spoil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnone")
        await writer.drain()

    async with answering(spoil) as url, http.client() as client:
        with pytest.raises(httpx.DecodingError):
            await client.exchange("GET", url, headers={}, body=None, most=1024)
