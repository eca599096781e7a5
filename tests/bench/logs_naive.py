"""The plain way: a table, and one INSERT with its commit before each answer."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from aiohttp import web

from chaos.ground import LOOPBACK, clean_environment
from fleetkit.testing import eventually
from native import ports

_TESTS: Final = Path(__file__).resolve().parents[1]
_MAKE: Final = """
CREATE TABLE IF NOT EXISTS bench_naive_logs (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(),
    device_id text, level text, service text, message text, metadata jsonb)
"""
_INSERT: Final = """
INSERT INTO bench_naive_logs (device_id, level, service, message, metadata)
VALUES ($1, $2, $3, $4, $5::text::jsonb)
"""


async def _insert(connection: "asyncpg.Connection[Any]", line: Mapping[str, Any]) -> None:
    values = (line["device_id"], line["level"], line["service"], line["message"])
    await connection.execute(_INSERT, *values, json.dumps(line["metadata"]))


async def serve(port: int, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    one = asyncio.Lock()

    async def take(request: web.Request) -> web.Response:
        line = await request.json()
        async with one:
            await _insert(connection, line)
        return web.json_response({}, status=202)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    await asyncio.Event().wait()


@asynccontextmanager
async def served(database_url: str) -> AsyncIterator[str]:
    """Lend the address of one, in a process of its own."""
    connection = await asyncpg.connect(database_url)
    port = ports.pick_free()
    process = None
    try:
        await connection.execute(_MAKE)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.logs_naive", str(port), database_url),
            env=clean_environment() | {"PYTHONPATH": str(_TESTS)},
            start_new_session=True,
        )
        url = f"http://{LOOPBACK}:{port}/"

        async def answers() -> bool:
            async with aiohttp.ClientSession() as session, session.get(url):
                return True

        await eventually(answers, within_s=20)
        yield url
    finally:
        if process is not None:
            process.terminate()
            await process.wait()
        await connection.execute("DROP TABLE IF EXISTS bench_naive_logs")
        await connection.close()


async def batches(database_url: str, lines: Sequence[Mapping[str, Any]]) -> float:
    """Give the lines a second when each is inserted for itself, with nothing else around."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_MAKE)
        began = time.perf_counter()
        for line in lines:
            await _insert(connection, line)
        return len(lines) / (time.perf_counter() - began)
    finally:
        await connection.execute("DROP TABLE IF EXISTS bench_naive_logs")
        await connection.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
