"""Temporal's dev server and a worker beside it, as a peer; absent where it is not installed."""

import asyncio
import importlib.util
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.ground import ENVIRONMENTS, TESTS, Ground
from fleetkit.testing import eventually
from native import ports

QUEUE: Final = "bench"
_START_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Temporal:
    """A server with a worker: `fan_out` is one durable command on five tables."""

    pids: tuple[int, ...]
    fan_out: Callable[[str], Awaitable[object]]


def find() -> Path | None:
    """Give the server's program, where both it and the client's library are installed."""
    program = Path(sys.executable).with_name("temporal")
    if not program.exists() or importlib.util.find_spec("temporalio") is None:
        return None
    return program


@asynccontextmanager
async def started(ground: Ground, program: Path) -> AsyncIterator[Temporal]:
    """Start it with its store in a file, as whoever wants commands to last would."""
    from temporalio.client import Client  # noqa: PLC0415  # only there where it was installed

    port = ports.pick_free()
    address = f"127.0.0.1:{port}"
    urls = [f"{ground.table_api(name)}/tables/TEMPORAL/bet-stop" for name in ENVIRONMENTS]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pitboss-temporal-"))
        server = await stack.enter_async_context(
            _running(
                *(str(program), "server", "start-dev", "--headless", "--port", str(port)),
                *("--db-filename", f"{folder}/temporal.db", "--log-level", "never"),
            )
        )
        client = await eventually(lambda: Client.connect(address), within_s=_START_S)
        worker = await stack.enter_async_context(
            _running(sys.executable, "-m", "bench.temporal_worker", address)
        )

        async def fan_out(name: str) -> object:
            return await client.execute_workflow("FanOut", urls, id=name, task_queue=QUEUE)

        async with asyncio.timeout(_START_S):
            await fan_out("first")
        yield Temporal((server, worker), fan_out)


@asynccontextmanager
async def _running(*argv: str) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
