"""The keys in force, kept at hand: a request is let in without asking the database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Self

from fleetkit import background, errors, logs
from fleetkit.database import Database
from ledger.domain.actors import Actor, Rate, Role
from ledger.store import keys
from ledger.store.keys import Key

log = logs.get(__name__)

# A revocation is in force here after so long at the latest, also where no broadcast comes.
POLL_S: Final = 0.5
NOTE_USE_S: Final = 5.0


def digest(secret: str) -> bytes:
    """Hash what has 256 random bits: nothing slower is needed, as nobody can try them all."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


class Keyring:
    """Actors by the hashes of their keys."""

    def __init__(
        self, database: Database, *, admin_key: str, usual: Rate, admin: Rate | None
    ) -> None:
        self._database = database
        self._usual = usual
        # By its hash too, so that how long a comparison takes tells nothing of it.
        self._admin = (digest(admin_key), Actor(name="admin", role=Role.ADMIN, rate=admin))
        self._actors: dict[bytes, tuple[Actor, datetime | None]] = {}
        self._used: dict[str, datetime] = {}
        self._lock = asyncio.Lock()
        self._looks = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database: Database, *, admin_key: str, usual: Rate, admin: Rate | None
    ) -> AsyncIterator[Self]:
        keyring = cls(database, admin_key=admin_key, usual=usual, admin=admin)
        async with background.running(keyring._follow(), keyring._note_use()):
            yield keyring
        await keyring._write_use()

    def find(self, key_hash: bytes) -> Actor | None:
        """Give whose key it is, if it is in force at this moment."""
        if key_hash == self._admin[0]:
            return self._admin[1]
        actor, ends = self._actors.get(key_hash, (None, None))
        now = self._database.now()
        if actor is None or (ends is not None and ends <= now):
            return None
        self._used[actor.id] = now
        return actor

    async def look_again(self) -> None:
        """Read the keys as they are from now on; those who ask at once share one reading."""
        asked = self._looks
        async with self._lock:
            if self._looks > asked:
                return
            self._looks += 1
            async with self._database.connection() as conn:
                found = await keys.live(conn)
            self._actors = {one: (self._actor(key), key.expires_at) for one, key in found.items()}

    def _actor(self, key: Key) -> Actor:
        rate = self._usual
        if key.rate_per_second is not None and key.rate_burst is not None:
            rate = Rate(key.rate_per_second, key.rate_burst)
        return Actor(
            name=key.name,
            role=Role(key.role),
            id=key.id,
            tables=None if key.tables is None else frozenset(key.tables),
            environments=None if key.environments is None else frozenset(key.environments),
            rate=rate,
        )

    async def told(self, _body: object) -> None:
        """Hear of a change, or that one may have been missed."""
        await self.look_again()

    async def _follow(self) -> None:
        while True:
            try:
                await self.look_again()
            except errors.Unavailable:
                pass  # nobody can revoke a key then either
            except Exception:
                log.exception("keys_not_read")
            await asyncio.sleep(POLL_S)

    async def _note_use(self) -> None:
        while True:
            await asyncio.sleep(NOTE_USE_S)
            await self._write_use()

    async def _write_use(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.connection() as conn:
                await keys.touch(conn, used)
        except errors.Unavailable:
            self._used = {**used, **self._used}
        except Exception:
            log.exception("use_of_keys_not_noted")
