"""TLS to Postgres, Redis and RabbitMQ, when their addresses ask for it."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetkit import errors
from fleetkit.bus import Queue, open_bus
from fleetkit.cache import Cache
from fleetkit.database import Database, Listener
from fleetkit.testing import eventually
from integration.tlsfront import POSTGRES, fronting
from native import certificates


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> certificates.Files:
    return certificates.write(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Give an authority that signed none of this."""
    return certificates.write(tmp_path / "other", ["127.0.0.1"]).authority


@pytest.fixture
async def postgres_url(
    postgres_server: Any, database_url: str, files: certificates.Files
) -> AsyncIterator[str]:
    inside = postgres_server.server.port
    async with fronting(inside, files, asked=POSTGRES) as port:
        yield database_url.replace(f":{inside}/", f":{port}/")


async def test_postgres_is_spoken_to_by_tls_and_verified(
    postgres_url: str, files: certificates.Files
) -> None:
    url = f"{postgres_url}?sslmode=verify-full&sslrootcert={files.authority}"
    heard: list[str] = []

    async def speak() -> bool:
        async with database.connection() as conn:
            await conn.execute("SELECT pg_notify('told', 'yes')")
            return bool(heard)

    listener = Listener(
        url,
        name="tests",
        channels=["told"],
        on_notify=lambda _, text: heard.append(text),
        on_reconnect=lambda: None,
    )
    async with Database.open(url, name="tests") as database, listener:
        await eventually(speak, within_s=20)


async def test_a_postgres_that_is_not_trusted_is_not_used(
    postgres_url: str, stranger: Path
) -> None:
    for query in (
        f"sslmode=verify-full&sslrootcert={stranger}",
        f"sslmode=verify-ca&sslrootcert={stranger}",
    ):
        async with Database.open(f"{postgres_url}?{query}", name="tests") as database:
            with pytest.raises(errors.Unavailable) as refused:
                await database.ping()
        assert refused.value.code == "database_unavailable"


async def test_a_postgres_without_tls_is_not_used_where_tls_is_asked_for(
    database_url: str, files: certificates.Files
) -> None:
    url = f"{database_url}?sslmode=verify-full&sslrootcert={files.authority}"
    async with Database.open(url, name="tests") as database:
        with pytest.raises(errors.Unavailable):
            await database.ping()


async def test_redis_is_spoken_to_by_tls_and_verified(
    valkey_server: Any, files: certificates.Files, stranger: Path
) -> None:
    async with fronting(valkey_server.server.port, files) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs="
        async with Cache.open(f"{url}{files.authority}", prefix="tls:") as cache:
            await eventually(cache.ping)
            assert await cache.set("a", b"1", ttl_s=60)
            assert await cache.get("a") == b"1"
        async with Cache.open(f"{url}{stranger}", prefix="tls:") as cache:
            assert not await cache.ping()
        async with Cache.open(f"rediss://127.0.0.1:{port}/0", prefix="tls:") as cache:
            assert not await cache.ping()


@pytest.mark.parametrize("server", ["valkey_server", "rabbit_server"])
async def test_the_bus_is_spoken_to_by_tls_and_verified(
    request: pytest.FixtureRequest, server: str, files: certificates.Files, stranger: Path
) -> None:
    inside: str = request.getfixturevalue(server).url
    scheme, _, rest = inside.partition("://")
    authorities = "ssl_ca_certs" if scheme == "redis" else "cafile"
    port = int(rest.rpartition(":")[2].partition("/")[0])
    queue = Queue(f"tls-{secrets.token_hex(4)}")
    async with fronting(port, files) as front:
        url = f"{scheme}s://{rest.replace(f':{port}', f':{front}')}"
        async with open_bus(f"{url}?{authorities}={files.authority}") as bus:
            await bus.publish(queue, {"body": b"in secret"})
            async with bus.consume(queue, group="g", consumer="c") as batches:
                batch = await anext(batches)
                assert [entry.body for entry in batch.entries] == [b"in secret"]
                await batch.ack()
        for wrong in (url, f"{url}?{authorities}={stranger}"):
            async with open_bus(wrong) as bus:
                assert not await bus.ping()
