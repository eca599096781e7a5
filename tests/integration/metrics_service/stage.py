"""A stage for deaths: one who publishes, and instances that come one after the other."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
from redis.asyncio import Redis

from fleetkit import errors
from fleetkit.bus import open_bus
from fleetkit.telemetry import METRICS
from fleetkit.testing import eventually, free_port
from integration.conftest import PostgresServer
from integration.metrics_service.conftest import event

WITHIN_S: Final = 90.0


class Publisher:
    """Publishes under a name for each event, and again what may or may not have arrived."""

    def __init__(self, bus_url: str) -> None:
        self._bus_url = bus_url
        self.published = 0
        self._task: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()

    async def _publish(self) -> None:
        async with open_bus(self._bus_url) as bus:
            while not self._ended.is_set():
                batch = [
                    {"body": orjson.dumps(event(event_id=f"e-{self.published + n}"))}
                    for n in range(50)
                ]
                while True:
                    try:
                        await bus.publish_many(METRICS, batch)
                        break
                    except errors.Unavailable:
                        await asyncio.sleep(0.2)  # as a publisher does before it asks again
                self.published += len(batch)
                await asyncio.sleep(0.05)  # a thousand events a second at most

    def begin(self) -> None:
        self._task = asyncio.create_task(self._publish())

    async def end(self) -> int:
        self._ended.set()
        assert self._task is not None
        await self._task
        return self.published


class Stage:
    """One instance after the other, as processes of their own."""

    def __init__(self, environment: dict[str, str], owner_url: str) -> None:
        self._environment = environment
        self._owner_url = owner_url
        self._process: asyncio.subprocess.Process | None = None
        self._lives = 0

    async def begin(self) -> None:
        self._lives += 1
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("PITBOSS_", "MPS_"))}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "metrics_service",
            env={
                **kept,
                **self._environment,
                "PITBOSS_INSTANCE": f"life-{self._lives}",
                "PITBOSS_BIND": f"127.0.0.1:{free_port()}",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def kill(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        if self._process.returncode is not None:
            return self._process.returncode
        self._process.send_signal(number)
        return await self._process.wait()

    async def total(self) -> int:
        connection = await asyncpg.connect(self._owner_url)
        try:
            statement = "SELECT coalesce(sum(total_requests), 0) FROM metrics_aggregated"
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    async def counts_on(self) -> None:
        """Wait until more is stored than now."""
        before = await eventually(self._some, within_s=WITHIN_S)
        await eventually(lambda: self._more_than(before), within_s=WITHIN_S)

    async def _some(self) -> int:
        return await self.total() + 1

    async def _more_than(self, before: int) -> bool:
        return await self.total() >= before


@asynccontextmanager
async def staged(
    spare_postgres: PostgresServer, owner_url: str, redis_url: str, bus_url: str, spool: Path
) -> AsyncIterator[tuple[Stage, Publisher]]:
    environment = {
        "PITBOSS_DATABASE_URL": spare_postgres.url(role="pitboss_metrics_service"),
        "PITBOSS_REDIS_URL": redis_url,
        "PITBOSS_BUS_URL": bus_url,
        "PITBOSS_ADMIN_KEY": "admin-key-of-the-tests",
        "MPS_AGG_INTERVAL": "1",
        "MPS_SPOOL_DIR": str(spool),
    }
    stage, publisher = Stage(environment, owner_url), Publisher(bus_url)
    async with AsyncExitStack() as stack:
        await stage.begin()
        stack.push_async_callback(stage.kill)
        publisher.begin()
        yield stage, publisher
        published = await publisher.end()

        async def all_counted() -> bool:
            return await stage.total() >= published

        await eventually(all_counted, within_s=WITHIN_S)
        assert await stage.kill(signal.SIGTERM) == 0
        assert await stage.total() == published
        stack.pop_all()


async def shows_on(redis_url: str) -> None:
    """Wait until the present has moved on."""
    async with Redis.from_url(redis_url) as redis:

        async def shown() -> str:
            raw = await redis.get("real_time_metrics:model-api")
            told: dict[str, Any] = orjson.loads(raw or b"")
            return str(told["last_updated"])

        before = await eventually(shown, within_s=WITHIN_S)

        async def moved() -> bool:
            return await shown() > before

        await eventually(moved, within_s=WITHIN_S)
