"""Small upstreams behind a real nginx, and what came through to them."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from native import nginx
from native.edge import PLAIN, Edge

Answer = Callable[[dict[str, Any], asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def echo(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    body = json.dumps(request).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@contextlib.asynccontextmanager
async def serving(answer: Answer = echo) -> AsyncIterator[int]:
    """Lend the port of a small upstream."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.split(": ", 1) for line in lines[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = lines[0].split(" ")
                told = {"method": method, "path": path, "headers": headers, "body": body.decode()}
                await answer(told, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass(frozen=True)
class Doors:
    edge: httpx.AsyncClient
    inner: httpx.AsyncClient
    server: nginx.Server
    master: int


@contextlib.asynccontextmanager
async def opened(
    folder: Path,
    pools: dict[str, list[int]],
    door: Edge = PLAIN,
    trust: ssl.SSLContext | bool = True,
) -> AsyncIterator[Doors]:
    async with (
        nginx.running(folder / "an nginx", pools, door) as (server, master),
        httpx.AsyncClient(base_url=door.url(server.edge_port), verify=trust, timeout=30) as edge,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.inner_port}", timeout=30) as inner,
    ):
        yield Doors(edge, inner, server, master)
