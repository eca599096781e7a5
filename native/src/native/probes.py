"""Is it up: one short question to each kind of process, answered without raising."""

import asyncio
import contextlib
import json
from typing import Final

from native.ports import LOOPBACK

SECONDS: Final = 2.0
_HTTP_OK: Final = 200
_LARGEST_ANSWER: Final = 65536


async def _ask(port: int, question: bytes) -> bytes:
    async with asyncio.timeout(SECONDS):
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


async def read_in_flight(port: int) -> int | None:
    """Give what a replica says it has under way; None where it does not say."""
    request = f"GET /readyz HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(request.encode())
                answer = await reader.read(_LARGEST_ANSWER)
                while more := await reader.read(_LARGEST_ANSWER - len(answer)):
                    answer += more
            finally:
                writer.close()
        told = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, TimeoutError, ValueError):
        return None
    count = told.get("in_flight") if isinstance(told, dict) else None
    return count if isinstance(count, int) else None


async def answers_200(port: int, path: str) -> bool:
    return await http_status(port, path) == _HTTP_OK


async def redis_pong(port: int) -> bool:
    try:
        return (await _ask(port, b"PING\r\n")).startswith(b"+PONG")
    except (OSError, TimeoutError, ValueError):
        return False
