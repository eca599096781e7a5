"""Puts a backup's rows in the place of the database's, all in one transaction or none at all."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

import asyncpg

from fleetkit.postgres import Connection
from native.backup import archive, dump
from native.backup.archive import Manifest, Table
from native.refusals import Refusal

_TRIES: Final = 6
_LOCK_TIMEOUT: Final = "5s"


async def _compare(connection: Connection, manifest: Manifest) -> None:
    """Refuse rows that do not fit the schema that is there."""
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        raise Refusal("The database has no schema yet; start the fleet first: ./manage.sh up")
    there = await dump.list_migrations(connection)
    if there != manifest.migrations:
        raise Refusal(
            f"The backup is of schema {len(manifest.migrations)} (Pitboss {manifest.version}), "
            f"the fleet has {len(there)}; restore it with the version it is of, then run: "
            "./manage.sh upgrade"
        )
    tables = await dump.list_tables(connection)
    if tables != {table.name: table.columns for table in manifest.tables}:
        raise Refusal(
            "The backup has other tables than the fleet's database; it was left as it is."
        )


async def _swap(connection: Connection, manifest: Manifest, folder: Path) -> None:
    names = ", ".join(f'"{table.name}"' for table in manifest.tables)
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    for table in manifest.tables:
        await connection.execute(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER')
    await connection.execute(f"TRUNCATE {names}")
    for name, (parent, bounds) in manifest.partitions.items():
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{name}" PARTITION OF "{parent}" {bounds}'
        )
    for table in manifest.tables:
        await _fill(connection, table, folder / table.name)
    for name, (value, called) in manifest.sequences.items():
        await connection.execute(
            "SELECT setval($1::text::regclass, $2, $3)", name, value, bool(called)
        )
    for table in manifest.tables:
        await connection.execute(f'ALTER TABLE "{table.name}" ENABLE TRIGGER USER')


async def _fill(connection: Connection, table: Table, source: Path) -> None:
    answer = await connection.copy_to_table(table.name, source=source, columns=table.columns)
    if int(answer.split()[-1]) != table.rows:
        raise Refusal(f"{table.name} took {answer.split()[-1]} of {table.rows} rows.")


async def _put(url: str, source: Path) -> Manifest:
    with tempfile.TemporaryDirectory(prefix="pitboss-restore-") as unpacked:
        folder = Path(unpacked)
        with archive.opened(source, folder) as manifest:
            connection = await asyncpg.connect(
                url, timeout=10, server_settings={"statement_timeout": "0"}
            )
            try:
                await _compare(connection, manifest)
                for left in reversed(range(_TRIES)):
                    try:
                        async with connection.transaction():
                            await _swap(connection, manifest, folder)
                        break
                    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                        if not left:  # the fleet's own work came first, again and again
                            raise
            finally:
                await connection.close()
            return manifest


def put(url: str, source: Path) -> Manifest:
    """Restore the file; a refusal says that nothing was changed."""
    try:
        return asyncio.run(_put(url, source))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Refusal(f"Nothing was changed; the backup could not be restored: {error}") from error
