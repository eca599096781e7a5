"""The versions of each environment's configuration."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

import orjson

from fleetkit.database import Connection
from ledger.domain.config import Environment


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an environment's document, and who made it."""

    environment: str
    version: int
    document: Environment
    author: str
    reason: str | None
    created_at: datetime


@lru_cache(maxsize=256)
def _parse(document: bytes) -> Environment:
    return Environment.model_validate_json(document)


async def latest(conn: Connection) -> list[Version]:
    rows = await conn.fetch(
        """SELECT DISTINCT ON (environment) * FROM config_versions
           ORDER BY environment, version DESC"""
    )
    return [_version(row) for row in rows]


async def numbers(conn: Connection) -> dict[str, int]:
    rows = await conn.fetch("SELECT environment, max(version) FROM config_versions GROUP BY 1")
    return {row[0]: row[1] for row in rows}


async def get(conn: Connection, environment: str, version: int | None = None) -> Version | None:
    row = await conn.fetchrow(
        """SELECT * FROM config_versions
           WHERE environment = $1 AND ($2::int IS NULL OR version = $2)
           ORDER BY version DESC LIMIT 1""",
        environment,
        version,
    )
    return _version(row) if row else None


async def put(
    conn: Connection,
    document: Environment,
    *,
    author: str,
    reason: str | None,
    expected: int | None,
) -> int | None:
    """Add the next version; None when `expected` is no longer the newest.

    Two writers at once both compute the same next number: the primary key lets one through.
    """
    return cast(
        "int | None",
        await conn.fetchval(
            """INSERT INTO config_versions (environment, version, document, author, reason)
               SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4
               FROM config_versions WHERE environment = $1
               HAVING $5::int IS NULL OR coalesce(max(version), 0) = $5
               RETURNING version""",
            document.environment,
            document.model_dump(mode="json", by_alias=True),
            author,
            reason,
            expected,
        ),
    )


def _version(row: object) -> Version:
    record = cast("dict[str, object]", row)
    return Version(
        environment=cast("str", record["environment"]),
        version=cast("int", record["version"]),
        document=_parse(orjson.dumps(record["document"])),
        author=cast("str", record["author"]),
        reason=cast("str | None", record["reason"]),
        created_at=cast("datetime", record["created_at"]),
    )
