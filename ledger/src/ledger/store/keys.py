"""Keys: given out once, known by their hashes, in force until they end or are revoked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleetkit.database import Connection


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a key is made of."""

    id: str
    name: str
    role: str
    tables: tuple[str, ...] | None
    environments: tuple[str, ...] | None
    author: str
    expires_at: datetime | None
    rate_per_second: float | None
    rate_burst: int | None


@dataclass(frozen=True, slots=True)
class Key(NewKey):
    """A key as it stands."""

    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = """id, name, role, tables, environments, author, expires_at, rate_per_second, rate_burst,
              created_at, last_used_at, revoked_at"""


async def add(conn: Connection, new: NewKey, key_hash: bytes) -> Key:
    """Add a key; raises asyncpg's UniqueViolationError while another of its name is in force."""
    row = await conn.fetchrow(
        f"""INSERT INTO keys (id, name, role, tables, environments, author, expires_at, rate_per_second,
                              rate_burst, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}""",
        new.id,
        new.name,
        new.role,
        list(new.tables) if new.tables is not None else None,
        list(new.environments) if new.environments is not None else None,
        new.author,
        new.expires_at,
        new.rate_per_second,
        new.rate_burst,
        key_hash,
    )
    return _key(row)


async def live(conn: Connection) -> dict[bytes, Key]:
    """Give what is in force by hash; those that end by themselves are in until they are revoked."""
    rows = await conn.fetch(f"SELECT hash, {_COLUMNS} FROM keys WHERE revoked_at IS NULL")
    return {bytes(row["hash"]): _key(row) for row in rows}


async def find(conn: Connection) -> list[Key]:
    return [_key(row) for row in await conn.fetch(f"SELECT {_COLUMNS} FROM keys ORDER BY id")]


async def get(conn: Connection, key_id: str) -> Key | None:
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM keys WHERE id = $1", key_id)
    return _key(row) if row else None


async def revoke(conn: Connection, key_id: str) -> Key | None:
    """End a key; None when it is not there or was ended before."""
    row = await conn.fetchrow(
        f"""UPDATE keys SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL
            RETURNING {_COLUMNS}""",
        key_id,
    )
    return _key(row) if row else None


async def touch(conn: Connection, used: Mapping[str, datetime]) -> None:
    """Note when keys were last used; replicas tell it in any order."""
    await conn.execute(
        """UPDATE keys k SET last_used_at = u.at FROM unnest($1::text[], $2::timestamptz[]) AS u(id, at)
           WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at)""",
        list(used),
        list(used.values()),
    )


def _key(row: Any) -> Key:
    record = dict(row)
    record.pop("hash", None)
    for limits in ("tables", "environments"):
        if record[limits] is not None:
            record[limits] = tuple(record[limits])
    return Key(**record)
