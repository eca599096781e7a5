"""Keys: made, listed, revoked; each change stands in the audit list."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asyncpg import UniqueViolationError

from fleetkit import errors, ids
from fleetkit.broadcast import Broadcast
from fleetkit.clock import rfc3339
from fleetkit.database import Database
from gateway.services.identity import KEY_PREFIX
from ledger.access.keyring import Keyring, digest
from ledger.domain.actors import Actor, Rate, Role
from ledger.store import audit, keys
from ledger.store.audit import Entry, Filter
from ledger.store.keys import Key, NewKey

# How long a revocation waits to hear from the gateways it was told to.
TOLD_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key shall be."""

    name: str
    role: Role
    tables: tuple[str, ...] | None
    environments: tuple[str, ...] | None
    expires_at: datetime | None
    rate: Rate | None


class Keys:
    """Who may ask, and what was changed by whom."""

    def __init__(self, *, database: Database, keyring: Keyring, broadcast: Broadcast) -> None:
        self._database = database
        self._keyring = keyring
        self._broadcast = broadcast

    async def all(self) -> list[Key]:
        async with self._database.connection() as conn:
            return await keys.find(conn)

    async def add(self, wanted: Wanted, by: Actor) -> tuple[Key, str]:
        """Make a key; give it with its secret, which is nowhere to be read again."""
        if wanted.expires_at is not None and wanted.expires_at <= self._database.now():
            raise errors.Invalid("expires_at has passed already.", field="body.expires_at")
        key_id = ids.new()
        secret = f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        new = NewKey(
            id=key_id,
            name=wanted.name,
            role=wanted.role,
            tables=wanted.tables,
            environments=wanted.environments,
            author=by.name,
            expires_at=wanted.expires_at,
            rate_per_second=wanted.rate.per_second if wanted.rate else None,
            rate_burst=wanted.rate.burst if wanted.rate else None,
        )
        try:
            async with self._database.transaction() as conn:
                made = await keys.add(conn, new, digest(secret))
                await audit.record(
                    conn,
                    actor=by.name,
                    action="key.added",
                    subject=f"keys/{made.id}",
                    after=_shown(made),
                    address=by.address,
                )
        except UniqueViolationError as error:
            raise errors.Conflict(
                f"There is a key named {wanted.name}: revoke it, or take another name.",
                code="key_name_taken",
            ) from error
        await self._keyring.look_again()
        return made, secret

    async def revoke(self, key_id: str, by: Actor) -> Key:
        """End a key on every gateway; once more changes nothing."""
        async with self._database.transaction() as conn:
            revoked = await keys.revoke(conn, key_id)
            if revoked is not None:
                await audit.record(
                    conn,
                    actor=by.name,
                    action="key.revoked",
                    subject=f"keys/{key_id}",
                    before=_shown(revoked),
                    address=by.address,
                )
            found = revoked or await keys.get(conn, key_id)
        if found is None:
            raise errors.NotFound(f"There is no key {key_id}.", code="unknown_key")
        await self._keyring.look_again()
        sent = await self._broadcast.send("keys", {"id": key_id})
        await self._broadcast.acks(sent, within_s=TOLD_S)
        return found

    async def changes(self, wanted: Filter) -> list[Entry]:
        async with self._database.searching() as conn:
            return await audit.find(conn, wanted)


def _shown(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "role": key.role,
        "tables": key.tables,
        "environments": key.environments,
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
    }
