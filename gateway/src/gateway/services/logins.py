"""Logins: a browser shows its key once and gets a cookie, which alone changes nothing."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fleetkit.database import Connection, Database
from ledger.access.keyring import digest
from ledger.domain.actors import Actor
from ledger.store import audit, logins
from ledger.store.logins import Login

# A shift, and a break.
LASTS: Final = timedelta(hours=12)
IDLE: Final = timedelta(hours=1)
TOUCHED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Opened:
    """A login just begun, with the only sight of its cookie."""

    cookie: str
    expires_at: datetime


def csrf_token(cookie: str) -> str:
    """Give what goes with a cookie in a header: whoever makes a browser send the one lacks it."""
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()


class Logins:
    """The browsers that are logged in."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def open(self, actor: Actor, key: str) -> Opened:
        cookie = secrets.token_urlsafe(32)
        async with self._database.transaction() as conn:
            expires_at = await logins.add(
                conn, digest(cookie), digest(key), address=actor.address, lasts=LASTS
            )
            await _record(conn, actor, "login.opened")
        return Opened(cookie, expires_at)

    async def find(self, cookie_hash: bytes) -> Login | None:
        """Give a login that is not over, and let it begin to lie idle anew."""
        async with self._database.connection() as conn:
            found = await logins.get(conn, cookie_hash, idle=IDLE)
            if found is not None and found.used_at + TOUCHED_EVERY < self._database.now():
                await logins.touch(conn, cookie_hash)
        return found

    async def end(self, actor: Actor, cookie: str) -> None:
        async with self._database.transaction() as conn:
            if await logins.end(conn, digest(cookie)):
                await _record(conn, actor, "login.ended")

    async def note_failure(self, address: str | None) -> None:
        async with self._database.connection() as conn:
            await audit.record(
                conn, actor="nobody", action="login.failed", subject="login", address=address
            )


async def _record(conn: Connection, actor: Actor, action: str) -> None:
    await audit.record(
        conn, actor=actor.name, action=action, subject=f"keys/{actor.id}", address=actor.address
    )
