"""One connection: requests parsed, answered in order, and faults done to the transport."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Coroutine
from typing import cast

import httptools

from simulator.control.routes import Control
from simulator.domain.calls import Call
from simulator.domain.faults import Plan
from simulator.domain.refusals import TurnedAwayError
from simulator.domain.world import World
from simulator.http.answers import encode, make_json
from simulator.http.envelopes import answer_call, turn_away
from simulator.http.misbehaviour import misbehave
from simulator.http.requests import Request, read_call

MOST_BYTES = 1024 * 1024 + 64 * 1024
MOST_WAITING = 64
HARD_CLOSE = struct.pack("ii", 1, 0)
KEPT_HEADERS = frozenset({b"cookie", b"x-signature", b"x-request-id", b"traceparent"})


class Connection(asyncio.Protocol):
    """Serves one client until either side is done."""

    def __init__(self, world: World, control: Control, siblings: "set[Connection]") -> None:
        self._world = world
        self._control = control
        self._siblings = siblings
        self._waiting: deque[Request] = deque()
        self._received = 0
        self._busy = False
        self._choked = False
        self._last_words: tuple[int, str] | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._siblings.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._siblings.discard(self)
        self._parser = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._last_words is not None:
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError):
            self._last_words = (400, "the request is not HTTP/1.1")
        else:
            if self._received > MOST_BYTES:
                self._last_words = (413, "the request is too large")
        self._pump()
        self._throttle()

    def pause_writing(self) -> None:
        self._choked = True
        self._throttle()

    def resume_writing(self) -> None:
        self._choked = False
        self._throttle()

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in KEPT_HEADERS:
            self._headers[lowered] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        parser, headers = self._parser, self._headers
        if parser is None:
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        caller = headers.get(b"x-request-id") or headers.get(b"traceparent")
        self._waiting.append(
            Request(
                parser.get_method().decode(),
                path,
                query,
                self._body,
                parser.should_keep_alive(),
                _decode(headers.get(b"cookie")),
                _decode(headers.get(b"x-signature")),
                _decode(caller) or self._peer(),
            )
        )
        self._received = 0

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._waiting.clear()
        self._transport.close()

    def reset(self) -> None:
        """End the connection with a RST instead of a FIN."""
        self._waiting.clear()
        if not self._transport.is_closing():
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HARD_CLOSE)
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _pump(self) -> None:
        while self._waiting and not self._busy:
            self._serve(self._waiting.popleft())
        if self._last_words is not None and not self._busy and not self.is_closing():
            self.write(encode(turn_away(*self._last_words), keep_alive=False))
            self.close()

    def _throttle(self) -> None:
        if self.is_closing():
            return
        if self._choked or len(self._waiting) > MOST_WAITING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _serve(self, request: Request) -> None:
        if request.path.startswith("/control/"):
            self._begin(self._serve_control(request))
            return
        try:
            call = read_call(self._world, request)
        except TurnedAwayError as error:
            answer = turn_away(error.status, error.message)
        else:
            world, name = self._world, call.environment.name
            world.effects.requests[name, call.operation] += 1
            if world.faults:
                plan = world.faults.choose(name, call.code or None, call.operation)
                if plan is not None:
                    self._begin(self._serve_badly(call, plan, request))
                    return
            answer = answer_call(world, call)
        self.write(encode(answer, keep_alive=request.keep_alive))
        if not request.keep_alive:
            self.close()

    def _begin(self, work: Coroutine[None, None, bool]) -> None:
        self._busy = True
        self._task = asyncio.get_running_loop().create_task(self._finish(work))

    async def _finish(self, work: Coroutine[None, None, bool]) -> None:
        try:
            goes_on = await work
        except Exception:
            self._transport.abort()
            raise
        if goes_on and not self.is_closing():
            self._busy = False
            self._pump()
            self._throttle()

    async def _serve_control(self, request: Request) -> bool:
        status, content = await self._control.handle(
            request.method, request.path, request.query, request.body
        )
        self.write(encode(make_json(status, content), keep_alive=request.keep_alive))
        if not request.keep_alive:
            self.close()
        return request.keep_alive

    async def _serve_badly(self, call: Call, plan: Plan, request: Request) -> bool:
        return await misbehave(self._world, call, plan, self, keep_alive=request.keep_alive)

    def _peer(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return f"{peer[0]}:{peer[1]}" if peer else ""


def _decode(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("latin-1")
