"""Logins of browsers: a cookie's hash and the key it stands for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from fleetkit.database import Connection


@dataclass(frozen=True, slots=True)
class Login:
    """One browser's login."""

    hash: bytes
    key_hash: bytes
    used_at: datetime
    expires_at: datetime


async def add(
    conn: Connection, cookie: bytes, key: bytes, *, address: str | None, lasts: timedelta
) -> datetime:
    """Begin a login; give when it ends at the latest."""
    return cast(
        "datetime",
        await conn.fetchval(
            """INSERT INTO logins (hash, key_hash, address, expires_at)
               VALUES ($1, $2, $3, clock_timestamp() + $4::interval) RETURNING expires_at""",
            cookie,
            key,
            address,
            lasts,
        ),
    )


async def get(conn: Connection, cookie: bytes, *, idle: timedelta) -> Login | None:
    """Give a login that is not over: neither for its age nor for having lain idle."""
    row = await conn.fetchrow(
        """SELECT hash, key_hash, used_at, expires_at FROM logins
           WHERE hash = $1 AND expires_at > clock_timestamp()
             AND used_at > clock_timestamp() - $2::interval""",
        cookie,
        idle,
    )
    return Login(**dict(row)) if row else None


async def touch(conn: Connection, cookie: bytes) -> None:
    await conn.execute("UPDATE logins SET used_at = clock_timestamp() WHERE hash = $1", cookie)


async def end(conn: Connection, cookie: bytes) -> bool:
    return bool(await conn.fetchval("DELETE FROM logins WHERE hash = $1 RETURNING true", cookie))


async def purge(conn: Connection, *, idle: timedelta) -> None:
    await conn.execute(
        """DELETE FROM logins
           WHERE expires_at < clock_timestamp() OR used_at < clock_timestamp() - $1::interval""",
        idle,
    )
