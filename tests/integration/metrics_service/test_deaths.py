"""Totals equal what was published, whatever is killed meanwhile."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from fleetkit import migrations
from fleetkit.testing import eventually
from integration.conftest import FOLDER, PostgresServer, RabbitServer, ValkeyServer
from integration.metrics_service.conftest import empty
from integration.metrics_service.stage import WITHIN_S, Publisher, Stage, shows_on, staged

MANY = 100_000


@pytest.fixture
async def owner_url(spare_postgres: PostgresServer) -> str:
    await migrations.apply(spare_postgres.url(), FOLDER)
    connection = await asyncpg.connect(spare_postgres.url())
    try:
        await connection.execute(
            "TRUNCATE metrics_aggregated, metrics_counted, metrics_shards, metrics_instances"
        )
    finally:
        await connection.close()
    return spare_postgres.url()


@pytest.fixture(autouse=True)
async def _nothing_left(spare_valkey: ValkeyServer) -> None:
    """Empty it: what other tests left on the bus would be counted too."""
    async with Redis.from_url(spare_valkey.url) as redis:
        await redis.flushall()


async def test_kills_and_outages_on_redis_lose_nothing_and_repeat_nothing(
    spare_postgres: PostgresServer, spare_valkey: ValkeyServer, owner_url: str, tmp_path: Path
) -> None:
    redis_url = spare_valkey.url
    spool = tmp_path / "spool"
    async with staged(spare_postgres, owner_url, redis_url, redis_url, spool) as (stage, _):
        await stage.counts_on()
        await stage.kill()
        await stage.begin()
        await stage.counts_on()
        await spare_postgres.stop()
        try:
            await shows_on(redis_url)
            await eventually(lambda: list(spool.glob("*/*.spool")), within_s=WITHIN_S)
            await stage.kill()
            await stage.begin()
        finally:
            await spare_postgres.start()
        await stage.counts_on()
        await eventually(lambda: not list(spool.glob("*/*.spool")), within_s=WITHIN_S)
        await spare_valkey.kill()
        await spare_valkey.start()
        await stage.counts_on()


async def test_kills_of_service_and_broker_lose_nothing_and_repeat_nothing(
    spare_postgres: PostgresServer,
    spare_valkey: ValkeyServer,
    rabbit_server: RabbitServer,
    owner_url: str,
    tmp_path: Path,
) -> None:
    bus_url, redis_url = rabbit_server.url, spare_valkey.url
    await empty(bus_url)
    async with staged(spare_postgres, owner_url, redis_url, bus_url, tmp_path) as (stage, _):
        await stage.counts_on()
        await stage.kill()
        await stage.begin()
        await stage.counts_on()
        await rabbit_server.kill()
        await rabbit_server.start()
        await stage.counts_on()
        await spare_valkey.stop()
        try:
            await stage.counts_on()
        finally:
            await spare_valkey.start()
        await shows_on(redis_url)


Kill = Callable[[], Awaitable[None]]


def killing(server: PostgresServer | RabbitServer | ValkeyServer) -> Kill:
    async def kill() -> None:
        await server.kill()
        await server.start()

    return kill


async def kill_all_in_turn(stage: Stage, publisher: Publisher, kills: Sequence[Kill]) -> None:
    """Kill until all are published, and each time see that it goes on."""

    async def kill_service() -> None:
        await stage.kill()
        await stage.begin()

    for kill in cycle([kill_service, *kills]):
        await kill()
        await stage.counts_on()
        if publisher.published >= MANY:
            break


@pytest.mark.long
async def test_a_hundred_thousand_are_counted_while_all_are_killed_in_turn_on_redis(
    spare_postgres: PostgresServer, spare_valkey: ValkeyServer, owner_url: str, tmp_path: Path
) -> None:
    url = spare_valkey.url
    async with staged(spare_postgres, owner_url, url, url, tmp_path) as (stage, publisher):
        kills = [killing(spare_valkey), killing(spare_postgres)]
        await kill_all_in_turn(stage, publisher, kills)


@pytest.mark.long
async def test_a_hundred_thousand_are_counted_while_all_are_killed_in_turn_on_rabbitmq(
    spare_postgres: PostgresServer,
    spare_valkey: ValkeyServer,
    rabbit_server: RabbitServer,
    owner_url: str,
    tmp_path: Path,
) -> None:
    bus, cache = rabbit_server.url, spare_valkey.url
    await empty(bus)
    async with staged(spare_postgres, owner_url, cache, bus, tmp_path) as (stage, publisher):
        kills = [killing(rabbit_server), killing(spare_postgres), killing(spare_valkey)]
        await kill_all_in_turn(stage, publisher, kills)
