"""Each acknowledged line is there exactly once, whatever is killed meanwhile."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from fleetkit import migrations
from fleetkit.testing import eventually, free_port
from integration.conftest import FOLDER, PostgresServer, ValkeyServer
from integration.log_service.conftest import ADMIN_KEY

LINES = 20_000
DEVICES = 10
PER_BATCH = 20
TAKEN = 202
WITHIN_S = 90.0


class Life:
    """One process after the other of the same module."""

    def __init__(self, module: str, environment: dict[str, str]) -> None:
        self._module = module
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PITBOSS_")}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            env={**kept, **self._environment},
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def end(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def again(self) -> None:
        await self.end()
        await self.begin()


class Devices:
    """Send batch after batch, and again what may or may not have been taken."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.sent = 0

    async def run(self) -> None:
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(
            base_url=self._url, headers=headers, trust_env=False, timeout=10
        ) as client:
            await asyncio.gather(*(self._send(client, one) for one in range(DEVICES)))

    async def _send(self, client: httpx.AsyncClient, device: int) -> None:
        for start in range(0, LINES // DEVICES, PER_BATCH):
            names = [f"{device}-{number}" for number in range(start, start + PER_BATCH)]
            lines = [{"id": one, "device_id": f"d-{device}", "message": one} for one in names]

            async def taken(lines: list[dict[str, str]] = lines) -> bool:
                return (await client.post("/logs/batch", json=lines)).status_code == TAKEN

            await eventually(taken, within_s=WITHIN_S)
            self.sent += PER_BATCH


@pytest.mark.long
async def test_kills_of_all_in_turn_lose_and_repeat_no_line(
    spare_postgres: PostgresServer, spare_valkey: ValkeyServer
) -> None:
    await migrations.apply(spare_postgres.url(), FOLDER)
    async with Redis.from_url(spare_valkey.url) as redis:
        await redis.flushall()

    async def ask(statement: str) -> int:
        connection = await asyncpg.connect(spare_postgres.url())
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    lines = "SELECT count(*) FROM logs WHERE device_id LIKE 'd-%'"
    told = {
        "PITBOSS_DATABASE_URL": spare_postgres.url(role="pitboss_log_service"),
        "PITBOSS_REDIS_URL": spare_valkey.url,
        "PITBOSS_LOG_SHIP": "off",
    }
    port = free_port()
    door = {
        **told,
        "PITBOSS_BIND": f"127.0.0.1:{port}",
        "PITBOSS_INSTANCE": "log-service-mortal",
        "PITBOSS_ADMIN_KEY": ADMIN_KEY,
    }
    behind = {**told, "PITBOSS_BIND": "127.0.0.1:0", "PITBOSS_INSTANCE": "log-worker-mortal"}
    api, worker = Life("log_service", door), Life("log_service.worker", behind)
    devices = Devices(f"http://127.0.0.1:{port}")

    def killing(server: PostgresServer | ValkeyServer) -> Callable[[], Awaitable[None]]:
        async def kill() -> None:
            await server.kill()
            await server.start()

        return kill

    async with AsyncExitStack() as stack:
        for life in (api, worker):
            await life.begin()
            stack.push_async_callback(life.end)
        sending = asyncio.create_task(devices.run())
        stack.callback(sending.cancel)
        servers = [killing(spare_valkey), killing(spare_postgres)]
        for kill in cycle([worker.again, api.again, *servers]):
            before = devices.sent, await ask(lines)

            async def goes_on(before: tuple[int, int] = before) -> bool:
                written = await ask(lines)
                return sending.done() or (devices.sent > before[0] and written > before[1])

            await eventually(goes_on, within_s=WITHIN_S)
            if sending.done():
                break
            await kill()
        await sending

        async def all_written() -> bool:
            return await ask(lines) >= LINES

        await eventually(all_written, within_s=WITHIN_S)
        assert await ask(lines) == LINES
        distinct = "SELECT count(DISTINCT message) FROM logs WHERE device_id LIKE 'd-%'"
        assert await ask(distinct) == LINES
        counted = "SELECT sum(lines) FROM devices WHERE device_id LIKE 'd-%'"
        assert await ask(counted) == LINES
