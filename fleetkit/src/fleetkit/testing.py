"""For tests only: waiting by polling, free ports, and a service served on a real socket."""

import asyncio
import inspect
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar, overload

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

POLL_S: Final = 0.01
PATIENCE_S: Final = 30.0
"""Long, as a machine may stand still: what comes late is no fault, and what never comes is told."""

Found = TypeVar("Found")


@overload
async def eventually(check: Callable[[], Awaitable[Found]], *, within_s: float = ...) -> Found: ...


@overload
async def eventually(check: Callable[[], Found], *, within_s: float = ...) -> Found: ...


async def eventually(check: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """Poll until the check answers something true and raises nothing; give that answer."""
    deadline = time.monotonic() + within_s
    pause_s = POLL_S
    while True:
        failure: Exception | None = None
        found = None
        try:
            found = check()
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:  # noqa: BLE001  # shown when time is up
            failure = error
        if failure is None and found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not so within {within_s:g} s: {failure!r}"
                if failure
                else f"not so within {within_s:g} s: the last answer was {found!r}"
            ) from failure
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)


def until(check: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    """Poll likewise where there is no loop, until the check answers something true."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds:g} s")
        time.sleep(POLL_S)


def free_port() -> int:
    """Find a port of the loopback that nobody listens on just now.

    Below those that connections and other servers are given, which would take it meanwhile.
    """
    while True:
        port = random.randint(10_000, 19_999)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI app, its lifespan too, on a free port; give its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="httptools",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        task = asyncio.create_task(server._serve([listener]))  # noqa: SLF001  # serve() takes signals
        try:
            await eventually(lambda: server.started or task.done())
            if task.done():
                await task
                raise RuntimeError("the app's lifespan failed")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that calls the app in this process, inside its lifespan, with no socket."""
    async with app.router.lifespan_context(app) as yielded:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(yielded or {})}, receive, send)

        transport = httpx.ASGITransport(with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://test.example") as client:
            yield client
