"""The service in this process, before real servers and either bus."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aio_pika
import asyncpg
import httpx
import orjson
import pytest
from pydantic import SecretStr

from fleetkit.bus import Bus, open_bus
from fleetkit.telemetry import METRICS, SHARDS
from fleetkit.testing import calling
from metrics_service.app import create
from metrics_service.settings import Settings, Tuning

ADMIN_KEY = "admin-key-of-the-tests"
numbers = count(1)


def event(**changed: Any) -> dict[str, Any]:
    """Give an event as documented, of this moment."""
    return {
        "timestamp": datetime.now(UTC).isoformat(),
        "api_endpoint": "/v1/predict",
        "response_time_ms": 120.5,
        "status_code": 200,
        "service_name": "model-api",
        **changed,
    }


def entry(**changed: Any) -> dict[str, bytes]:
    return {"body": orjson.dumps(event(**changed))}


class Floor:
    """What the service stands on, and its door."""

    def __init__(self, settings: Settings, tuning: Tuning, owner_url: str, bus: Bus) -> None:
        self.settings = settings
        self.tuning = tuning
        self.owner_url = owner_url
        self.bus = bus

    def running(self, **changed: Any) -> "AbstractAsyncContextManager[httpx.AsyncClient]":
        return self._running(changed)

    @asynccontextmanager
    async def _running(self, changed: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
        tuning = self.tuning.model_copy(update=changed)
        settings = self.settings.model_copy(update={"instance": f"metrics-{next(numbers)}"})
        async with calling(create(settings, tuning)) as client:
            client.headers["authorization"] = f"Bearer {ADMIN_KEY}"
            yield client

    async def publish(self, entries: "list[dict[str, bytes]]") -> None:
        await self.bus.publish_many(METRICS, entries)

    async def ask(self, statement: str, *given: object) -> Any:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetchval(statement, *given)
        finally:
            await connection.close()

    async def total(self) -> int:
        found = await self.ask("SELECT coalesce(sum(total_requests), 0) FROM metrics_aggregated")
        return int(found)


@pytest.fixture(params=["redis", "rabbitmq"])
def bus_url(request: pytest.FixtureRequest, redis_url: str) -> str:
    if request.param == "redis":
        return redis_url
    server = request.getfixturevalue("rabbit_server")
    url: str = server.url
    return url


async def empty(bus_url: str) -> None:
    """Leave nothing of other tests in the queues of the session's RabbitMQ: it would be counted."""
    async with open_bus(bus_url) as bus, await aio_pika.connect(bus_url) as connection:
        channel = await connection.channel()
        for queue in SHARDS:
            await bus.length(queue)  # which makes it where it is not
            await (await channel.get_queue(queue.name)).purge()


@pytest.fixture
async def floor(
    bus_url: str,
    redis_url: str,
    database_url: str,
    database_url_as: Callable[[str], str],
) -> AsyncIterator[Floor]:
    if bus_url.startswith("amqp"):
        await empty(bus_url)
    async with open_bus(bus_url) as bus:
        yield Floor(
            Settings(
                database_url=SecretStr(database_url_as("pitboss_metrics_service")),
                redis_url=SecretStr(redis_url),
                bus_url=SecretStr(bus_url),
                admin_key=SecretStr(ADMIN_KEY),
            ),
            Tuning(agg_interval=1, window_size=60),
            database_url,
            bus,
        )
