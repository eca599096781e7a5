"""A log service and a worker in this process, on a Postgres and a Valkey of the tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fleetkit.postgres import Connection, connect, set_json_codecs
from fleetkit.testing import calling, eventually
from ledger.access.keyring import digest
from ledger.store import keys
from log_service.app import create, create_worker
from log_service.settings import Settings, WorkerSettings

ADMIN_KEY = "admin-key-of-the-tests"


@dataclass
class Logs:
    """The service, and what stands in its database."""

    client: httpx.AsyncClient
    conn: Connection
    settings: Settings

    async def send(self, *lines: dict[str, Any], **options: Any) -> httpx.Response:
        return await self.client.post("/logs/batch", json=list(lines), **options)

    async def find(self, **asked: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/logs", params=asked)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["logs"]
        return found

    async def count(self, table: str = "logs") -> int:
        counted: int = await self.conn.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own names
        return counted

    async def written(self, number: int) -> None:
        """Wait until there are so many lines."""

        async def there() -> bool:
            return await self.count() >= number

        await eventually(there, within_s=60)
        assert await self.count() == number

    async def key(self, role: str, **limits: Any) -> str:
        """Make a key and give its secret."""
        id_ = f"KEY{await self.count('keys')}"
        new = keys.NewKey(
            id=id_,
            name=f"{role} {id_}",
            role=role,
            tables=limits.get("tables"),
            environments=None,
            author="test",
            expires_at=None,
            rate_per_second=None,
            rate_burst=None,
        )
        await keys.add(self.conn, new, digest(f"pb_{id_}"))
        return f"pb_{id_}"


@pytest.fixture
def settings(database_url_as: Callable[[str], str], redis_url: str) -> Settings:
    return Settings(
        database_url=database_url_as("pitboss_log_service"),
        redis_url=redis_url,
        instance="log-service-test",
        admin_key=ADMIN_KEY,
    )


@asynccontextmanager
async def working(settings: Settings, name: str = "log-worker-test") -> AsyncIterator[None]:
    """Run a worker."""
    told = WorkerSettings(
        database_url=settings.database_url, redis_url=settings.redis_url, instance=name
    )
    async with calling(create_worker(told)):
        yield


@asynccontextmanager
async def opened(settings: Settings, database_url: str) -> AsyncIterator[Logs]:
    conn = await connect(database_url, name="test")
    await set_json_codecs(conn)
    try:
        async with calling(create(settings)) as client:
            client.headers["authorization"] = f"Bearer {ADMIN_KEY}"
            yield Logs(client, conn, settings)
    finally:
        await conn.close()


@pytest.fixture
async def idle(settings: Settings, database_url: str) -> AsyncIterator[Logs]:
    """A service whose lines nobody writes yet."""
    async with opened(settings, database_url) as logs:
        yield logs


@pytest.fixture
async def logs(idle: Logs) -> AsyncIterator[Logs]:
    """A service with its worker."""
    async with working(idle.settings):
        yield idle
