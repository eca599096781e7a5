"""Is it up: one short question to each kind of process, answered without raising."""

import asyncio
import contextlib
from typing import Final

from native.ports import LOOPBACK

_SECONDS: Final = 2.0
_HTTP_OK: Final = 200


async def _ask(port: int, question: bytes) -> bytes:
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(question)
            return await reader.readline()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def http_status(port: int, path: str) -> int | None:
    """Give the status a GET is answered with, None where there is no answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n"
    try:
        line = (await _ask(port, request.encode())).split()
    except (OSError, TimeoutError, ValueError):
        return None
    if len(line) > 1 and line[0].startswith(b"HTTP/") and line[1].isdigit():
        return int(line[1])
    return None


async def answers_200(port: int, path: str) -> bool:
    return await http_status(port, path) == _HTTP_OK


async def redis_pong(port: int) -> bool:
    try:
        return (await _ask(port, b"PING\r\n")).startswith(b"+PONG")
    except (OSError, TimeoutError, ValueError):
        return False
