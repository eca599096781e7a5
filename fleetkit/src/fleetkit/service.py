"""A service of the fleet: one way to build its app and one way to run it."""

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from types import FrameType
from typing import Any, Final

import orjson
import uvicorn
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse
from starlette.types import Lifespan

from fleetkit import health, logs, metrics, openapi, problems
from fleetkit.middleware import Middleware
from fleetkit.settings import Settings, split_bind

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


def build(
    *,
    name: str,
    title: str,
    description: str,
    lifespan: Lifespan[FastAPI],
    routers: Sequence[APIRouter],
    checks: Sequence[health.Check],
    docs: bool,
) -> FastAPI:
    """Wire an app; nothing connects before its lifespan."""
    app = FastAPI(
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
    app.state.readiness = health.Readiness(checks)
    problems.install(app)
    app.include_router(health.router(app.state.readiness))
    for router in routers:
        app.include_router(router)
    app.add_middleware(Middleware)
    metrics.install(app)
    if docs:
        openapi.install(app)
    return app


class _Server(uvicorn.Server):
    """Leaves with 0 after a signal, as this is how a replica is told to go."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log.info("service_started", bind=f"{self.config.host}:{self.config.port}")

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        log.info("service_stop_requested", signal=signal.Signals(sig).name)
        self.config.app.state.readiness.draining = True  # type: ignore[union-attr]
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def run(factory: Callable[[], FastAPI], settings: Settings) -> None:
    """Serve until told to stop: finish what runs, for 8 s at most, and return."""
    app = factory()
    logs.configure(app.state.service, settings.instance, settings.log_level)
    host, port = split_bind(settings.bind)
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
    log.info("service_stopped")
