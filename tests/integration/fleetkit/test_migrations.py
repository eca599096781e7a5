import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest

from fleetkit import migrations

FOLDER = Path(__file__).resolve().parents[3] / "postgres" / "migrations"


class Server(Protocol):
    async def execute(self, statement: str) -> None: ...


@pytest.fixture
async def empty_url(postgres_server: Server, database_url: str, database_name: str) -> str:
    """Give a database in which nothing was ever migrated."""
    await postgres_server.execute(f"drop database {database_name}")
    await postgres_server.execute(f"create database {database_name} owner pitboss_owner")
    return database_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_notes.sql").write_text("create table notes (id int); select pg_sleep(0.1);")
    (tmp_path / "0002_more_notes.sql").write_text("insert into notes values (1);")
    return tmp_path


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_files_are_applied_once_and_in_order(empty_url: str, folder: Path) -> None:
    assert [m.version for m in await migrations.apply(empty_url, folder)] == [1, 2]
    assert await migrations.apply(empty_url, folder) == []
    assert await ask(empty_url, "select count(*) from notes") == 1
    assert (
        await ask(empty_url, "select string_agg(name, ',' order by version) from schema_migrations")
        == "notes,more_notes"
    )


async def test_several_at_once_apply_each_file_once(empty_url: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrations.apply(empty_url, folder) for _ in range(6)))
    assert sorted(len(versions) for versions in applied) == [0, 0, 0, 0, 0, 2]
    assert await ask(empty_url, "select count(*) from notes") == 1


async def test_a_failing_file_leaves_nothing_of_itself(empty_url: str, folder: Path) -> None:
    (folder / "0003_wrong.sql").write_text("insert into notes values (2); select * from nothing;")
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrations.apply(empty_url, folder)
    assert await ask(empty_url, "select count(*) from notes") == 1
    (folder / "0003_wrong.sql").write_text("insert into notes values (3);")
    assert [m.version for m in await migrations.apply(empty_url, folder)] == [3]


async def test_a_changed_file_is_refused(empty_url: str, folder: Path) -> None:
    await migrations.apply(empty_url, folder)
    (folder / "0001_notes.sql").write_text("create table notes (id bigint);")
    with pytest.raises(migrations.MigrationError, match=r"0001_notes\.sql changed"):
        await migrations.apply(empty_url, folder)


async def test_pending_lists_what_is_to_come(empty_url: str, folder: Path) -> None:
    connection = await asyncpg.connect(empty_url)
    try:
        assert len(await migrations.pending(connection, folder)) == 2
        await migrations.apply(empty_url, folder)
        assert await migrations.pending(connection, folder) == []
    finally:
        await connection.close()


async def test_older_code_beside_a_newer_database_is_let_be(empty_url: str, folder: Path) -> None:
    await migrations.apply(empty_url, folder)
    (folder / "0002_more_notes.sql").unlink()
    assert await migrations.apply(empty_url, folder) == []


async def test_the_command_says_what_it_did(empty_url: str, folder: Path) -> None:
    def run(*extra: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "fleetkit.migrations", "--folder", str(folder), *extra]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = await asyncio.to_thread(run, "--database-url", empty_url)
    assert (first.returncode, first.stdout) == (0, "applied 0001_notes\napplied 0002_more_notes\n")
    second = await asyncio.to_thread(run, "--database-url", empty_url)
    assert (second.returncode, second.stdout) == (0, "the schema is up to date\n")
    away = await asyncio.to_thread(run, "--database-url", "postgresql://x:pw@127.0.0.1:1/x")
    assert away.returncode == 1
    assert len(away.stderr.splitlines()) == 1
    assert "pw" not in away.stderr


async def test_the_fleets_own_migrations_fit_an_empty_database(empty_url: str) -> None:
    applied = await migrations.apply(empty_url, FOLDER)
    assert [m.version for m in applied] == list(range(1, len(applied) + 1))
    assert all(re.fullmatch(r"[a-z0-9_]+", m.name) for m in applied)
