"""The versions of each environment's configuration; each is written once and never changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import cast

import orjson
from pydantic import ValidationError

from fleetkit import errors
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the list of them: who made it, when and why, without the document."""

    environment: str
    version: int
    author: str
    reason: str | None
    created_at: datetime


@lru_cache(maxsize=256)
def _parse(document: bytes) -> Environment:
    return Environment.model_validate_json(document)


def read(environment: str, version: int, document: bytes) -> Environment:
    """Read a stored document; one that our rules no longer take is told, not guessed at."""
    try:
        return _parse(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise errors.Conflict(
            f"Version {version} of {environment} can't be used: {at}: {first['msg']}.",
            code="unusable_version",
        ) from error


async def latest(conn: Connection) -> list[Version]:
    rows = await conn.fetch(
        """SELECT DISTINCT ON (environment) * FROM config_versions
           ORDER BY environment, version DESC"""
    )
    return [_version(row) for row in rows]


async def numbers(conn: Connection) -> dict[str, int]:
    rows = await conn.fetch("SELECT environment, max(version) FROM config_versions GROUP BY 1")
    return {row[0]: row[1] for row in rows}


async def newest(conn: Connection, environment: str | None = None) -> list[Entry]:
    """Give the newest version of each environment, or of one."""
    rows = await conn.fetch(
        """SELECT DISTINCT ON (environment) environment, version, author, reason, created_at
           FROM config_versions WHERE $1::text IS NULL OR environment = $1
           ORDER BY environment, version DESC""",
        environment,
    )
    return [Entry(**dict(row)) for row in rows]


async def entry(conn: Connection, environment: str, version: int | None = None) -> Entry | None:
    row = await conn.fetchrow(
        """SELECT environment, version, author, reason, created_at FROM config_versions
           WHERE environment = $1 AND ($2::int IS NULL OR version = $2)
           ORDER BY version DESC LIMIT 1""",
        environment,
        version,
    )
    return Entry(**dict(row)) if row else None


async def history(
    conn: Connection, environment: str, *, below: int | None, limit: int
) -> list[Entry]:
    """List an environment's versions, newest first."""
    rows = await conn.fetch(
        """SELECT environment, version, author, reason, created_at FROM config_versions
           WHERE environment = $1 AND ($2::int IS NULL OR version < $2)
           ORDER BY version DESC LIMIT $3""",
        environment,
        below,
        limit,
    )
    return [Entry(**dict(row)) for row in rows]


async def hold(conn: Connection, environments: Iterable[str]) -> None:
    """Let the changes of these environments come one after the other, until the transaction ends."""
    for environment in sorted(set(environments)):
        await conn.execute(
            "SELECT pg_advisory_xact_lock(hashtext('pitboss_config'), hashtext($1))", environment
        )


async def open_targets(conn: Connection, environment: str) -> dict[str, str]:
    """Give the targets of the environment that are part of an open round, with its id."""
    rows = await conn.fetch(
        """SELECT leg.game_code, leg.round_id
           FROM rounds AS round JOIN legs AS leg ON leg.round_id = round.id
           WHERE round.state IN ('open', 'dealt') AND leg.environment = $1
             AND leg.state NOT IN ('failed', 'finished', 'cancelled')""",
        environment,
    )
    return {row["game_code"]: row["round_id"] for row in rows}


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
        document=read(
            cast("str", record["environment"]),
            cast("int", record["version"]),
            orjson.dumps(record["document"]),
        ),
        author=cast("str", record["author"]),
        reason=cast("str | None", record["reason"]),
        created_at=cast("datetime", record["created_at"]),
    )
