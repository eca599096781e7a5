"""What stands when what the log service stands on goes away."""

import pytest

from fleetkit import migrations
from fleetkit.testing import eventually
from integration.conftest import FOLDER, PostgresServer, ValkeyServer
from integration.log_service.conftest import ADMIN_KEY, opened, working
from log_service.settings import Settings

LINE = {"device_id": "wheel-07", "message": "x"}


@pytest.fixture
async def away(spare_postgres: PostgresServer, spare_valkey: ValkeyServer) -> Settings:
    """Settings on servers that may be stopped."""
    await migrations.apply(spare_postgres.url(), FOLDER)
    return Settings(
        database_url=spare_postgres.url(role="pitboss_log_service"),
        redis_url=spare_valkey.url,
        instance="log-service-away",
        admin_key=ADMIN_KEY,
    )


async def test_what_was_taken_outlives_postgres_and_redis(
    away: Settings, spare_postgres: PostgresServer, spare_valkey: ValkeyServer
) -> None:
    async with opened(away, spare_postgres.url()) as logs, working(away):
        await logs.send(*[LINE] * 50)
        await logs.written(50)
        # Postgres away: taken all the same, and written when it is back.
        await logs.conn.close()
        await spare_postgres.stop()
        try:
            assert (await logs.send(*[LINE] * 50)).status_code == 202
            assert (await logs.client.get("/readyz")).status_code == 200
            assert (await logs.client.get("/devices")).status_code == 503
        finally:
            await spare_postgres.start()
    async with opened(away, spare_postgres.url()) as logs:
        async with working(away):
            await logs.written(100)
        # Redis killed with lines in it: they are there again, from its log of appends.
        assert (await logs.send(*[LINE] * 50)).status_code == 202
        await spare_valkey.kill()
        try:
            refused = await logs.send(LINE)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        finally:
            await spare_valkey.start()

        async def back() -> bool:
            return (await logs.send(LINE)).status_code == 202

        await eventually(back, within_s=20)
        async with working(away):
            await logs.written(151)


async def test_logs_are_found_without_redis(
    away: Settings, spare_postgres: PostgresServer, spare_valkey: ValkeyServer
) -> None:
    async with opened(away, spare_postgres.url()) as logs:
        await spare_valkey.stop()
        try:
            assert (await logs.client.get("/logs")).status_code == 200
            assert (await logs.client.get("/readyz")).status_code == 503
        finally:
            await spare_valkey.start()
