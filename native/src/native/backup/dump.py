"""Reads the whole database in one snapshot, while the fleet goes on."""

import asyncio
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import asyncpg

from fleetkit.postgres import Connection
from native.backup import archive
from native.backup.archive import Manifest, Table
from native.refusals import Refusal

# What is only of this cluster's moment, or kept by the migrations themselves.
LEFT_OUT: Final = frozenset({"schema_migrations"})

_TABLES: Final = """
SELECT c.relname AS name, array_agg(a.attname ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 GROUP BY c.relname ORDER BY c.relname
"""
_REFERENCES: Final = """
SELECT conrelid::regclass::text AS child, confrelid::regclass::text AS parent
  FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid <> confrelid
"""
_PARTITIONS: Final = """
SELECT c.relname AS name, p.relname AS parent, pg_get_expr(c.relpartbound, c.oid) AS bounds
  FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent
 WHERE c.relispartition AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
_SEQUENCES: Final = """
SELECT c.relname AS name FROM pg_class c
 WHERE c.relkind = 'S' AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname
"""
_DOCUMENTS: Final = """
SELECT DISTINCT ON (environment) environment, jsonb_pretty(document) AS document
  FROM config_versions ORDER BY environment, version DESC
"""


async def list_tables(connection: Connection) -> dict[str, list[str]]:
    """Give each table's columns, parents before children."""
    found = {row["name"]: list(row["columns"]) for row in await connection.fetch(_TABLES)}
    needs: dict[str, set[str]] = {name: set() for name in found if name not in LEFT_OUT}
    for row in await connection.fetch(_REFERENCES):
        if row["child"] in needs and row["parent"] in needs:
            needs[row["child"]].add(row["parent"])
    ordered: dict[str, list[str]] = {}
    while needs:
        free = sorted(name for name, parents in needs.items() if parents <= set(ordered))
        if not free:
            raise Refusal(f"The tables {', '.join(needs)} refer to each other in a circle.")
        for name in free:
            ordered[name] = found[name]
            del needs[name]
    return ordered


async def list_migrations(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT version, name, sha256 FROM schema_migrations ORDER BY 1")
    return [f"{row['version']:04d}_{row['name']} {row['sha256']}" for row in rows]


async def _dump(connection: Connection, folder: Path) -> tuple[Manifest, dict[str, str]]:
    tables = []
    for name, columns in (await list_tables(connection)).items():
        chosen = ", ".join(f'"{column}"' for column in columns)
        answer = await connection.copy_from_query(
            f'SELECT {chosen} FROM "{name}"',  # noqa: S608  # names from the catalogue
            output=folder / name,
        )
        rows = int(answer.split()[-1])
        tables.append(Table(name, columns, rows, archive.digest(folder / name)))
    sequences = {}
    for row in await connection.fetch(_SEQUENCES):
        name = row["name"]
        at = await connection.fetchrow(f'SELECT last_value, is_called FROM "{name}"')  # noqa: S608  # likewise
        assert at is not None  # noqa: S101  # a sequence has one row
        sequences[name] = [int(at["last_value"]), int(at["is_called"])]
    manifest = Manifest(
        version=metadata.version("pitboss-native"),
        made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        migrations=await list_migrations(connection),
        tables=tables,
        partitions={
            row["name"]: [row["parent"], row["bounds"]]
            for row in await connection.fetch(_PARTITIONS)
        },
        sequences=sequences,
    )
    documents = {row["environment"]: row["document"] for row in await connection.fetch(_DOCUMENTS)}
    return manifest, documents


async def _take(url: str, target: Path) -> Manifest:
    connection = await asyncpg.connect(url, timeout=10, server_settings={"statement_timeout": "0"})
    try:
        with tempfile.TemporaryDirectory(prefix="pitboss-backup-", dir=target.parent) as folder:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                manifest, documents = await _dump(connection, Path(folder))
            archive.write(target, manifest, Path(folder), documents)
    finally:
        await connection.close()
    return manifest


def take(url: str, target: Path) -> Manifest:
    """Write a backup of the database into the file."""
    try:
        return asyncio.run(_take(url, target))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Refusal(f"The backup could not be made: {error}") from error
