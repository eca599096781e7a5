"""A POST over a connection of its own, and no more than that takes: each command makes five.

An HTTP client costs three times the CPU, for pools, redirects, cookies and encodings that the inner
Nginx has no part in. HTTP/1.0: the answer ends with its connection, so there is nothing to unpack.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

CONNECT_S: Final = 1.0
# Nginx may come back under another address.
KNOWN_S: Final = 10.0
_STATUS: Final = slice(9, 12)


class NotConnectedError(Exception):
    """Nobody could be reached: nothing was sent."""


class NoAnswerError(Exception):
    """Something may have been sent, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered; the body may be cut short."""

    status: int
    body: bytes


class _Exchange(asyncio.Protocol):
    def __init__(self) -> None:
        self.said = bytearray()
        self.over = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.said += data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(exc)


class Inner:
    """The inner Nginx, asked with the fleet's own key."""

    def __init__(self, url: str, *, key: str) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (80 if self._tls is None else 443)
        self._root = parts.path.rstrip("/")
        self._headers = {
            "host": parts.netloc.rpartition("@")[2],
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
        }
        self._addresses: list[str] = []
        self._known_until = 0.0

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], *, within_s: float
    ) -> Said:
        lines = [f"POST {self._root}{path} HTTP/1.0", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in {**self._headers, **headers}.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        transport, exchange = await self._connect()
        try:
            transport.write(head + body)
            async with asyncio.timeout(within_s):
                error = await exchange.over
        except TimeoutError as late:
            raise NoAnswerError(f"no answer within {within_s:g} s") from late
        finally:
            transport.abort()
        start, whole, answer = bytes(exchange.said).partition(b"\r\n\r\n")
        if not whole or not start.startswith(b"HTTP/1.") or not start[_STATUS].isdigit():
            raise NoAnswerError(repr(error) if error else "closed without an answer") from error
        return Said(int(start[_STATUS]), answer)

    async def _connect(self) -> tuple[asyncio.Transport, _Exchange]:
        """Connect, and send nothing yet: a failure here is known to have left nothing behind."""
        loop = asyncio.get_running_loop()
        failure: Exception | None = None
        try:
            async with asyncio.timeout(CONNECT_S):
                for address in await self._find():
                    try:
                        return await loop.create_connection(
                            _Exchange,
                            address,
                            self._port,
                            ssl=self._tls,
                            server_hostname=self._host if self._tls else None,
                        )
                    except OSError as error:
                        failure = error
        except (OSError, TimeoutError) as error:
            failure = error
        self._known_until = 0.0
        raise NotConnectedError(str(failure) or repr(failure)) from failure

    async def _find(self) -> list[str]:
        now = time.monotonic()
        if now >= self._known_until:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
            self._addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
            self._known_until = now + KNOWN_S
        return self._addresses
