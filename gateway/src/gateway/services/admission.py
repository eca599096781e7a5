"""Everything that lets requests in, opened together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fleetkit.broadcast import Broadcast
from fleetkit.cache import Cache
from fleetkit.database import Database
from gateway.adapters.places import Places
from gateway.services.identity import Identity
from gateway.services.keys import Keys
from gateway.services.logins import Logins
from gateway.settings import Settings
from ledger.access.buckets import Buckets
from ledger.access.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Admission:
    """Who asks, and what is known of them."""

    identity: Identity
    keys: Keys
    logins: Logins
    places: Places


@asynccontextmanager
async def admitting(
    settings: Settings, *, database: Database, cache: Cache, broadcast: Broadcast
) -> AsyncIterator[Admission]:
    admin_key = settings.admin_key.get_secret_value()
    async with Keyring.open(
        database, admin_key=admin_key, usual=settings.rate, admin=settings.admin_rate
    ) as keyring:
        broadcast.on("keys", keyring.told)
        logins = Logins(database=database)
        yield Admission(
            identity=Identity(keyring=keyring, logins=logins, buckets=Buckets(cache)),
            keys=Keys(database=database, keyring=keyring, broadcast=broadcast),
            logins=logins,
            places=Places(database),
        )
