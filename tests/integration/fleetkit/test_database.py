import asyncio
from datetime import UTC, datetime
from typing import Protocol

import asyncpg
import pytest

from fleetkit import errors
from fleetkit.database import Database
from fleetkit.testing import eventually, free_port


class Server(Protocol):
    def url(self) -> str: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def execute(self, statement: str) -> None: ...


async def backend(database: Database) -> int:
    async with database.connection() as connection:
        pid: int = await connection.fetchval("select pg_backend_pid()")
        return pid


async def test_each_statement_commits_by_itself(database_url: str) -> None:
    async with Database.open(database_url, name="test") as database:
        async with database.connection() as connection:
            await connection.execute("create table notes (text text)")
            await connection.execute("insert into notes values ('kept')")
        async with database.connection() as connection:
            assert await connection.fetchval("select text from notes") == "kept"


async def test_a_transaction_is_undone_by_an_exception(database_url: str) -> None:
    async with Database.open(database_url, name="test") as database:
        async with database.transaction() as connection:
            await connection.execute("create table notes (text text unique)")

        async def fail() -> None:
            async with database.transaction() as connection:
                await connection.execute("insert into notes values ('lost')")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with database.transaction() as connection:
            assert await connection.fetchval("select count(*) from notes") == 0


async def test_a_search_is_planned_for_its_values_and_leaves_nothing_behind(
    database_url: str,
) -> None:
    ask = "select current_setting('plan_cache_mode') || ' ' || current_setting('enable_seqscan')"
    async with Database.open(database_url, name="test", plans="force_generic_plan") as database:
        async with database.searching() as connection:
            assert await connection.fetchval(ask) == "force_custom_plan on"
        async with database.connection() as connection:
            assert await connection.fetchval(ask) == "force_generic_plan off"


async def test_json_columns_are_python_values(database_url: str) -> None:
    value = {"sicBo": [1, 2, 3], "text": "é", "none": None}
    async with (
        Database.open(database_url, name="test") as database,
        database.connection() as connection,
    ):
        assert await connection.fetchval("select $1::jsonb", value) == value
        assert await connection.fetchval("select $1::json", value) == value
        assert await connection.fetchval("select $1::jsonb[]", [value, 7]) == [value, 7]


async def test_the_session_is_named_and_without_jit(database_url: str) -> None:
    async with (
        Database.open(database_url, name="table-service-prd-1") as database,
        database.connection() as connection,
    ):
        assert await connection.fetchval("show application_name") == "table-service-prd-1"
        assert await connection.fetchval("show jit") == "off"


async def test_a_url_in_sqlalchemys_spelling_works(database_url: str) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://")
    async with Database.open(url, name="test") as database:
        await database.ping()


async def test_errors_of_a_statement_stay_what_they_are(database_url: str) -> None:
    async with Database.open(database_url, name="test", size=1) as database:
        pid = await backend(database)
        async with database.connection() as connection:
            await connection.execute("create table one (id integer primary key)")
            await connection.execute("insert into one values (1)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with database.transaction() as connection:
                await connection.execute("insert into one values (1)")
        with pytest.raises(asyncpg.UndefinedTableError):
            async with database.connection() as connection:
                await connection.execute("select * from nothing")
        with pytest.raises(asyncpg.DataError):
            async with database.connection() as connection:
                await connection.fetchval("select $1::int", "no number")
        assert await backend(database) == pid


async def test_no_connection_is_lent_inside_a_forgotten_transaction(database_url: str) -> None:
    async with Database.open(database_url, name="test", size=1) as database:
        async with database.connection() as connection:
            await connection.execute("begin")
        async with database.connection() as connection:
            assert not connection.is_in_transaction()


async def test_a_cancelled_task_leaves_nothing_behind(database_url: str) -> None:
    sleeping = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'"
    async with (
        Database.open(database_url, name="test", size=1) as database,
        Database.open(database_url, name="watcher", size=1) as watcher,
        watcher.connection() as watching,
    ):

        async def work() -> None:
            async with database.transaction() as connection:
                await connection.execute("select pg_sleep(60)")

        for _ in range(3):
            task = asyncio.create_task(work())
            await eventually(lambda: watching.fetchval(sleeping))
            task.cancel()
            async with asyncio.timeout(30):
                await asyncio.wait([task])
            assert task.cancelled()
            async with database.connection() as connection:
                assert await connection.fetchval("select 42") == 42


async def test_a_full_pool_is_unavailable_and_recovers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetkit.database.POOL_TIMEOUT_S", 0.1)
    async with Database.open(database_url, name="test", size=1) as database:
        async with database.connection():
            with pytest.raises(errors.Unavailable):
                await database.ping()
        await database.ping()


async def test_a_full_disk_is_said_and_the_connection_stays(database_url: str) -> None:
    full = "do $$ begin raise 'no room' using errcode = 'disk_full'; end $$"
    async with Database.open(database_url, name="test", size=1) as database:
        before = await backend(database)
        with pytest.raises(errors.Unavailable) as caught:
            async with database.transaction() as connection:
                await connection.execute(full)
        assert (caught.value.code, caught.value.retry_after_s) == ("database_full", 5)
        assert await backend(database) == before


async def test_waiters_get_the_connection_in_turn(database_url: str) -> None:
    async with Database.open(database_url, name="test", size=2) as database:
        pids = await asyncio.gather(*(backend(database) for _ in range(50)))
        assert len(set(pids)) <= 2


async def test_a_database_that_is_not_there_yet_is_unavailable() -> None:
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/none"
    async with Database.open(url, name="test") as database:
        with pytest.raises(errors.Unavailable) as caught:
            await database.ping()
        assert caught.value.code == "database_unavailable"
        assert caught.value.retry_after_s == 1
        assert isinstance(caught.value.__cause__, OSError)
        assert abs((database.now() - datetime.now(UTC)).total_seconds()) < 5


async def test_a_killed_backend_costs_no_failure_once_noticed(
    postgres_server: Server, database_url: str
) -> None:
    async with Database.open(database_url, name="test", size=3) as database:
        pids = await asyncio.gather(*(backend(database) for _ in range(3)))
        for pid in pids:
            await postgres_server.execute(f"select pg_terminate_backend({pid})")
        await eventually(lambda: backend(database))
        assert await backend(database) not in pids


async def test_a_backend_killed_in_use_is_unavailable_once(
    postgres_server: Server, database_url: str
) -> None:
    async with Database.open(database_url, name="test", size=1) as database:

        async def be_killed() -> None:
            async with database.transaction() as connection:
                pid = await connection.fetchval("select pg_backend_pid()")
                await postgres_server.execute(f"select pg_terminate_backend({pid})")
                await connection.fetchval("select 1")

        with pytest.raises(errors.Unavailable):
            await be_killed()
        await database.ping()


async def test_postgres_stopped_and_started_again(spare_postgres: Server) -> None:
    async with Database.open(spare_postgres.url(), name="test", size=3) as database:
        await asyncio.gather(*(backend(database) for _ in range(3)))
        await spare_postgres.stop()
        try:
            for _ in range(5):
                with pytest.raises(errors.Unavailable):
                    await database.ping()
        finally:
            await spare_postgres.start()
        # Not one failure more: what died with the old server is not lent any more.
        await asyncio.gather(*(backend(database) for _ in range(10)))


async def test_services_may_start_before_postgres(spare_postgres: Server) -> None:
    await spare_postgres.stop()
    async with Database.open(spare_postgres.url(), name="test") as database:
        with pytest.raises(errors.Unavailable):
            await database.ping()
        await spare_postgres.start()
        await database.ping()


async def test_now_is_the_databases_clock(database_url: str) -> None:
    async with Database.open(database_url, name="test") as database:
        async with database.connection() as connection:
            before = database.now()
            there: datetime = await connection.fetchval("select clock_timestamp()")
            after = database.now()
        assert (before - there).total_seconds() < 0.05
        assert (there - after).total_seconds() < 0.05
        assert database.now().tzinfo is not None
        assert database.now() >= after


async def test_a_file_missing_inside_the_block_is_not_the_databases_fault(
    database_url: str,
) -> None:
    async with Database.open(database_url, name="test") as database:
        with pytest.raises(FileNotFoundError):
            async with database.connection():
                raise FileNotFoundError
