"""The database's schema: numbered SQL files, applied in order under one advisory lock."""

import argparse
import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from fleetkit.postgres import Connection, connect

LOCK: Final = 0x70697462_6F7373
FOLDER: Final = Path("postgres/migrations")

_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_TABLE: Final = """
create table if not exists schema_migrations (
    version    integer primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default clock_timestamp()
)
"""


class MigrationError(Exception):
    """The folder and the database do not fit together; nothing was changed by saying so."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sha256: str
    sql: str


def read(folder: Path) -> list[Migration]:
    """Read the folder in order; a gap, a double or a stray name is refused."""
    if not folder.is_dir():
        raise MigrationError(f"There is no folder {folder}.")
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_tables.sql.")
        text = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(int(match[1]), match[2], digest, text))
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise MigrationError(
                f"Migration {expected:04d} is missing or doubled: after it comes "
                f"{migration.version:04d}_{migration.name}.sql."
            )
    return found


async def pending(connection: Connection, folder: Path) -> list[Migration]:
    """List what is not applied yet; refuse a file that changed after it was applied.

    Versions recorded beyond the folder's last are let be: newer code has been here, and a
    migration runs beside the old code.
    """
    migrations = read(folder)
    if await connection.fetchval("select to_regclass('schema_migrations')") is None:
        return migrations
    rows = await connection.fetch("select version, sha256 from schema_migrations")
    applied: dict[int, str] = {row["version"]: row["sha256"] for row in rows}
    for migration in migrations:
        known = applied.get(migration.version)
        if known is not None and known != migration.sha256:
            raise MigrationError(
                f"{migration.version:04d}_{migration.name}.sql changed after it was applied. "
                "Put it back as it was and write the change as a new migration."
            )
    missing = [migration for migration in migrations if migration.version not in applied]
    if missing and applied and missing[0].version < max(applied):
        raise MigrationError(
            f"Migration {missing[0].version:04d} was never applied here, but "
            f"{max(applied):04d} was."
        )
    return missing


async def apply(url: str, folder: Path = FOLDER) -> list[Migration]:
    """Apply what is pending; of several at once, one works and the others wait for it."""
    connection = await connect(url, name="pitboss-migrations", command_timeout_s=None)
    try:
        # Session-wide, so it is gone with the connection, whatever happens to this process.
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        await connection.execute(_TABLE)
        migrations = await pending(connection, folder)
        for migration in migrations:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)",
                    migration.version,
                    migration.name,
                    migration.sha256,
                )
    finally:
        await connection.close()
    return migrations


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fleetkit.migrations", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("PITBOSS_DATABASE_URL"))
    parser.add_argument("--database-url-file", type=Path, help="read the address from there")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    if options.database_url_file is not None:
        options.database_url = options.database_url_file.read_text().strip()
    if not options.database_url:
        sys.stderr.write("Give --database-url, or set PITBOSS_DATABASE_URL.\n")
        return 2
    try:
        applied = asyncio.run(apply(options.database_url, options.folder))
    except (MigrationError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.stderr.write(f"The schema could not be brought up to date: {error}\n")
        return 1
    for migration in applied:
        sys.stdout.write(f"applied {migration.version:04d}_{migration.name}\n")
    if not applied:
        sys.stdout.write("the schema is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
