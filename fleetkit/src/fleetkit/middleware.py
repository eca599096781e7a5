"""What happens to every request: ids, the body limit, one access log line, no bare failure."""

import time
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleetkit import context, logs, problems
from fleetkit.load import Load

log = logs.get(__name__)

BODY_LIMIT: Final = 1024 * 1024
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_TOO_LARGE: Final = 413
_FAILED: Final = 500
_WELL: Final = range(200, 300)


class Middleware:
    """Pure ASGI, as Starlette's BaseHTTPMiddleware costs a task and a queue per request.

    `quiet`: what went well is logged for debugging only, where others tell of it anyway.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int = BODY_LIMIT,
        load: Load | None = None,
        quiet: bool = False,
    ) -> None:
        self._app = app
        self._load = load or Load()
        self._body_limit = body_limit
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        context.enter(request=headers.get("x-request-id"), parent=headers.get("traceparent"))
        exchange = _Exchange(receive, send, self._body_limit)
        began = time.perf_counter()
        counted = scope["path"] not in _PROBES
        self._load.requests += counted
        try:
            if exchange.announces_too_much(headers.get("content-length")):
                await problems.unrouted(HTTPException(_TOO_LARGE))(scope, receive, exchange.send)
            else:
                await self._run(scope, exchange)
        finally:
            self._load.requests -= counted
            if counted:
                seconds = time.perf_counter() - began
                _log(scope, exchange, seconds, quiet=self._quiet)
                _report(scope, exchange, seconds)

    async def _run(self, scope: Scope, exchange: "_Exchange") -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.status is not None:
                # Half an answer is out: only a cut connection tells the caller so.
                raise
            if isinstance(error, HTTPException):
                response = problems.unrouted(error)
            else:
                response = problems.internal(error)
            await response(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer: counts the body, marks the answer."""

    def __init__(self, receive: Receive, send: Send, body_limit: int) -> None:
        self.status: int | None = None
        self.streams = False
        self._receive = receive
        self._send = send
        self._body_limit = body_limit
        self._received = 0

    def announces_too_much(self, content_length: str | None) -> bool:
        return (
            content_length is not None
            and content_length.isdecimal()
            and int(content_length[:20]) > self._body_limit
        )

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self._body_limit and self.status is None:
                raise HTTPException(_TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            self.streams = headers.get("content-type", "").startswith("text/event-stream")
            headers["x-request-id"] = context.request_id.get() or ""
        await self._send(message)


def _report(scope: Scope, exchange: _Exchange, seconds: float) -> None:
    """Tell of it under its route's address; how long a stream was read says nothing of us."""
    reporter = scope["app"].state.reporter if "app" in scope else None
    if reporter is None or exchange.streams:
        return
    route = scope.get("route")
    path = "unrouted" if route is None else route.path
    reporter.report(f"{scope['method']} {path}", seconds=seconds, status=exchange.status or _FAILED)


def _log(scope: Scope, exchange: _Exchange, seconds: float, *, quiet: bool) -> None:
    client = scope.get("client")
    tell = log.debug if quiet and exchange.status in _WELL else log.info
    tell(
        "request_served",
        **{
            "http.request.method": scope["method"],
            "url.path": scope["path"],
            "http.response.status_code": exchange.status or _FAILED,
            "event.duration": round(seconds * 1e9),
            "client.ip": client[0] if client else None,
        },
    )
