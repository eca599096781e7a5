"""Servers of a scenario's own, and one metrics-service on them."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg
import psutil
from redis.asyncio import Redis

from chaos.ground import LOOPBACK, clean_environment
from fleetkit import migrations
from native import ports, postgres, rabbitmq, valkey
from native.places import ROOT
from native.settings import PASSWORDS

_OWNER = "pitboss_owner"
_ROLE = "pitboss_metrics_service"
_TABLES = "metrics_aggregated, metrics_counted, metrics_shards, metrics_instances, metrics_unrolled"


@dataclass(frozen=True, slots=True)
class Service:
    """A metrics-service that runs."""

    pid: int

    def cpu_s(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


class Yard:
    """A Postgres and a Valkey with nothing else on them."""

    def __init__(self, folder: Path, owner_url: str, url: str, redis_url: str) -> None:
        self._folder = folder
        self.owner_url = owner_url
        self._url = url
        self.redis_url = redis_url

    @classmethod
    async def enter(cls, stack: AsyncExitStack, folder: Path) -> Self:
        server = await stack.enter_async_context(
            postgres.running(folder / "postgres", durable=True)
        )
        passwords = {role: secrets.token_hex(8) for role in PASSWORDS}
        await postgres.provide(server, passwords)
        owner_url = server.url(_OWNER, passwords[_OWNER])
        await migrations.apply(owner_url, ROOT / "postgres" / "migrations")
        cache = await stack.enter_async_context(valkey.running(folder / "valkey"))
        return cls(folder, owner_url, server.url(_ROLE, passwords[_ROLE]), cache.url)

    async def rabbit(self, stack: AsyncExitStack) -> str:
        server = await stack.enter_async_context(rabbitmq.running(self._folder / "rabbitmq"))
        return server.url

    async def clear(self) -> None:
        """Begin from nothing, so that no event is known already."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute(f"TRUNCATE {_TABLES}")
        finally:
            await connection.close()
        async with Redis.from_url(self.redis_url) as redis:
            await redis.flushall()

    @asynccontextmanager
    async def service(self, bus_url: str) -> AsyncIterator[Service]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_service"),
            env=clean_environment()
            | {
                "PITBOSS_DATABASE_URL": self._url,
                "PITBOSS_REDIS_URL": self.redis_url,
                "PITBOSS_BUS_URL": bus_url,
                "PITBOSS_ADMIN_KEY": secrets.token_hex(16),
                "PITBOSS_INSTANCE": f"bench-{secrets.token_hex(3)}",
                "PITBOSS_BIND": f"{LOOPBACK}:{ports.pick_free()}",
                "PITBOSS_LOG_SHIP": "off",
            },
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield Service(process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
