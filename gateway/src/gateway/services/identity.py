"""Identity at the gateway: as everywhere whose key it is, and whose login a cookie stands for."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fleetkit import errors
from gateway.services.logins import Logins
from ledger.access import identity
from ledger.access.buckets import Buckets
from ledger.access.identity import KEY_PREFIX, refuse_guesses
from ledger.access.keyring import Keyring, digest
from ledger.domain.actors import Actor, Rate

__all__ = ["KEY_PREFIX", "Identity", "Session"]

# At the login people type: past some wrong keys the address waits.
WRONG_LOGINS: Final = Rate(0.5, 10)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in."""

    actor: Actor
    expires_at: datetime


class Identity(identity.Identity):
    """Knows who asks, by key or by cookie."""

    def __init__(self, *, keyring: Keyring, logins: Logins, buckets: Buckets) -> None:
        super().__init__(keyring=keyring, buckets=buckets)
        self._logins = logins

    async def by_cookie(self, cookie: str, address: str | None) -> Session:
        login = await self._logins.find(digest(cookie))
        actor = None if login is None else self._keyring.find(login.key_hash)
        if login is None or actor is None:
            await self._slow_down(address)
            raise errors.Unauthenticated(
                "You are not logged in, or no longer: log in again.", code="not_logged_in"
            )
        return Session(replace(actor, address=address), login.expires_at)

    async def at_login(self, key: str, address: str | None) -> Actor:
        """As by_key, slowly: past some wrong keys an address waits, whatever it shows then."""
        bucket = f"logins:{address}"
        wait_s = await self._buckets.wait(bucket, WRONG_LOGINS)
        if wait_s > 0:
            refuse_guesses(wait_s)
        try:
            return await self.by_key(key, address)
        except errors.Unauthenticated:
            await self._buckets.take(bucket, WRONG_LOGINS)
            raise
