"""Real servers on free ports for integration tests; each test gets a database of its own."""

import asyncio
import secrets
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from fleetkit import logs, migrations
from fleetkit.testing import eventually
from native import postgres, programs, rabbitmq, valkey

FOLDER = Path(__file__).resolve().parents[2] / "postgres" / "migrations"
ROLES = (
    "pitboss_owner",
    "pitboss_gateway",
    "pitboss_log_service",
    "pitboss_metrics_service",
    "pitboss_table_service",
)

Answer = TypeVar("Answer")


class Background:
    """An event loop in a thread, where servers outlive the loop of any one test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class PostgresServer:
    """A Postgres that a test may stop and start again."""

    def __init__(self, background: Background, folder: Path) -> None:
        self._background = background
        self._log = folder / "postgres.log"
        self.server, self._process = background.call(postgres.start(folder))
        self.passwords = {role: secrets.token_hex(8) for role in ROLES}
        background.call(postgres.provide(self.server, self.passwords))

    def url(self, database: str = postgres.DATABASE, role: str = "pitboss_owner") -> str:
        return self.server.url(role, self.passwords[role], database)

    async def execute(self, statement: str) -> None:
        """Run a statement as the superuser."""
        await self._background.wait(self._execute(statement))

    async def _execute(self, statement: str) -> None:
        connection = await self.server.connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def stop(self) -> None:
        await self._background.wait(programs.stop(self._process, postgres.program(self.server)))

    async def kill(self) -> None:
        programs.kill_group(self._process.pid)
        await self._background.wait(self._process.wait())

    async def start(self) -> None:
        await self._background.wait(self._start())

    async def _start(self) -> None:
        self._process = await programs.launch(postgres.program(self.server), self._log)
        await eventually(self.server.answers, within_s=30)

    def close(self) -> None:
        self._background.call(programs.stop(self._process, postgres.program(self.server)))
        with suppress(OSError):
            self.server.sockets.rmdir()


class ValkeyServer:
    """A Valkey that a test may stop and start again."""

    def __init__(self, background: Background, folder: Path) -> None:
        self._background = background
        self._folder = folder
        self.server, self._process = background.call(valkey.start(folder))

    @property
    def url(self) -> str:
        return self.server.url

    async def stop(self) -> None:
        await self._background.wait(programs.stop(self._process, valkey.program(self.server)))

    async def kill(self) -> None:
        programs.kill_group(self._process.pid)
        await self._background.wait(self._process.wait())

    async def start(self) -> None:
        _, self._process = await self._background.wait(valkey.start(self._folder, self.server.port))

    def close(self) -> None:
        self._background.call(programs.stop(self._process, valkey.program(self.server)))


class RabbitServer:
    """A RabbitMQ that a test may kill and start again."""

    def __init__(self, background: Background, folder: Path) -> None:
        self._background = background
        self.server = rabbitmq.choose(folder)
        self._process = background.call(rabbitmq.start(self.server))

    @property
    def url(self) -> str:
        return self.server.url

    async def kill(self) -> None:
        programs.kill_group(self._process.pid)
        await self._background.wait(self._process.wait())

    async def start(self) -> None:
        self._process = await self._background.wait(rabbitmq.start(self.server))

    def close(self) -> None:
        programs.kill_group(self._process.pid)  # nobody reads its data again
        self._background.call(self._process.wait())


@pytest.fixture(scope="session", autouse=True)
def _json_logs() -> None:
    logs.configure("tests", "tests")


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    running = Background()
    yield running
    running.close()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    # Not pytest's own folder: that one is closed to the account Postgres runs under.
    with tempfile.TemporaryDirectory(prefix="pitboss-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def postgres_server(background: Background, server_folder: Path) -> Iterator[PostgresServer]:
    """Lend the session's Postgres, its database `pitboss` migrated, to be copied."""
    server = PostgresServer(background, server_folder / "postgres")
    try:
        background.call(migrations.apply(server.url(), FOLDER))
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def valkey_server(background: Background, server_folder: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(background, server_folder / "valkey")
    yield server
    server.close()


@pytest.fixture(scope="session")
def rabbit_server(background: Background, server_folder: Path) -> Iterator[RabbitServer]:
    """Lend the session's RabbitMQ; each test takes queues of its own."""
    server = RabbitServer(background, server_folder / "rabbit mq")
    yield server
    server.close()


@pytest.fixture
def database_name(background: Background, postgres_server: PostgresServer) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    background.call(
        postgres_server._execute(
            f"create database {name} template {postgres.DATABASE} owner pitboss_owner"
        )
    )
    yield name
    with suppress(OSError, asyncpg.PostgresError):
        background.call(postgres_server._execute(f"drop database {name} with (force)"))


@pytest.fixture
def database_url(postgres_server: PostgresServer, database_name: str) -> str:
    """Give a fresh, migrated database, as its owner."""
    return postgres_server.url(database_name)


@pytest.fixture
def database_url_as(postgres_server: PostgresServer, database_name: str) -> Callable[[str], str]:
    """Give the same fresh database as another role, such as pitboss_gateway."""
    return lambda role: postgres_server.url(database_name, role)


@pytest.fixture
def redis_url(background: Background, valkey_server: ValkeyServer) -> str:
    """Give a Valkey with nothing in it."""
    background.call(_flush(valkey_server.server.port))
    return valkey_server.url


async def _flush(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"FLUSHALL\r\n")
    await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.fixture(scope="session")
def spare_postgres(background: Background, server_folder: Path) -> Iterator[PostgresServer]:
    """Lend a Postgres to be stopped; whoever stops it starts it again."""
    server = PostgresServer(background, server_folder / "spare-postgres")
    yield server
    server.close()


@pytest.fixture(scope="session")
def spare_valkey(background: Background, server_folder: Path) -> Iterator[ValkeyServer]:
    """Lend a Valkey to be stopped; whoever stops it starts it again."""
    server = ValkeyServer(background, server_folder / "spare-valkey")
    yield server
    server.close()
