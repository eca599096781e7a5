"""A service of the fleet: one way to build its app and one way to run it."""

import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import metadata
from types import FrameType, MappingProxyType
from typing import Any, Final

import orjson
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from fleetkit import errors, health, logs, metrics, openapi, problems
from fleetkit.load import Load
from fleetkit.middleware import Middleware
from fleetkit.settings import Settings, split_bind
from fleetkit.shipping import Shipper
from fleetkit.wire import Protocol

log = logs.get(__name__)

KEEP_ALIVE_S: Final = 75
GRACE_S: Final = 8
STARTUP_FAILED: Final = 3


class JsonAnswer(JSONResponse):
    """For a handler that shapes its answer itself.

    Handlers with a response model need no class: FastAPI has pydantic write those bytes, which
    is faster than any response class.
    """

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


Handler = Callable[[Request], Awaitable[Response]]


class App(FastAPI):
    """FastAPI, some of whose POSTs are answered past it: its layers cost more than their work."""

    straight: Mapping[str, ASGIApp] = MappingProxyType({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.straight.get(scope["path"]) if scope["type"] == "http" else None
        if answer is None or scope["method"] != "POST":
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await answer(scope, receive, send)


class _Straight:
    def __init__(self, path: str, handler: Handler) -> None:
        self._route = Route(path, handler, methods=["POST"])
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route
        try:
            response = await self._handler(Request(scope, receive))
        except errors.PitbossError as error:
            response = problems.of(error)
        await response(scope, receive, send)


def build(
    *,
    name: str,
    title: str,
    description: str,
    lifespan: Lifespan[FastAPI],
    routers: Sequence[APIRouter],
    checks: Sequence[health.Check],
    docs: bool,
    origins: Sequence[str] = (),
    straight: Mapping[str, Handler] = MappingProxyType({}),
) -> FastAPI:
    """Wire an app; nothing connects before its lifespan."""
    app = App(
        title=title,
        description=description,
        version=metadata.version("pitboss-fleetkit"),
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs else None,
        docs_url=None,
        redoc_url=None,
        # Repaired paths would redirect a POST; an address is right or it is not found.
        redirect_slashes=False,
    )
    app.state.service = name
    app.state.load = Load()
    app.state.reporter = None  # set by a service that tells the metrics-service of its requests
    app.state.readiness = health.Readiness(checks, app.state.load)
    problems.install(app)
    app.include_router(health.router(app.state.readiness))
    for router in routers:
        app.include_router(router)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["*"],
            # Keys go in a header; the console's cookie stays with its own origin.
            allow_credentials=False,
            expose_headers=["ETag", "Idempotent-Replay", "Retry-After", "X-Request-Id"],
        )
    app.add_middleware(Middleware, load=app.state.load)
    metrics.install(app)
    app.straight = {
        path: Middleware(_Straight(path, handler), load=app.state.load, quiet=True)
        for path, handler in straight.items()
    }
    if docs:
        openapi.install(app)
    return app


class _Server(uvicorn.Server):
    """Leaves with 0 after a signal, as this is how a replica is told to go."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What stands now stands until the end: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            log.info("service_started", bind=f"{self.config.host}:{self.config.port}")

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        log.info("service_stop_requested", signal=signal.Signals(sig).name)
        self.config.app.state.readiness.draining = True  # type: ignore[union-attr]
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def run(factory: Callable[[], FastAPI], settings: Settings, *, ship: bool = True) -> None:
    """Serve until told to stop: finish what runs, for 8 s at most, and return.

    With `ship` its log goes to the log service too, where that is set; not the log service's own.
    """
    app = factory()
    tee = None
    if ship and settings.log_ship == "on":
        shipper = Shipper(settings.redis_url.get_secret_value())
        app.router.lifespan_context = shipper.around(app.router.lifespan_context)
        tee = shipper.take
    logs.configure(app.state.service, settings.instance, settings.log_level, tee)
    host, port = split_bind(settings.bind)
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whose word for the caller's address and scheme is taken: our nginx's.
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
    log.info("service_stopped")
