"""Identity: whose key it is, at what rate they ask, and slowness for those who guess."""

from dataclasses import replace
from typing import Final, NoReturn

from fleetkit import errors
from ledger.access.buckets import Buckets
from ledger.access.keyring import Keyring, digest
from ledger.domain.actors import Actor, Rate

KEY_PREFIX: Final = "pb_"
# Of one address: what is refused for its key, in all. Wide, as a whole studio may stand behind
# one; a good key is never held up by it.
WRONG_KEYS: Final = Rate(50, 2000)


class Identity:
    """Knows who asks."""

    def __init__(self, *, keyring: Keyring, buckets: Buckets) -> None:
        self._keyring = keyring
        self._buckets = buckets

    async def by_key(self, key: str, address: str | None) -> Actor:
        """Give the holder of a key; one that was made a moment ago elsewhere is looked up."""
        actor = await self._holder(key, address)
        return replace(actor, address=address)

    async def by_header(self, authorization: str, address: str | None) -> Actor:
        """Give the holder of the key in an Authorization header, within the rate of that key."""
        kind, _, key = authorization.partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            await self.refuse_without_key(address)
        actor = await self.by_key(key.strip(), address)
        await self.spend(actor)
        return actor

    async def by_hash(self, key_hash: bytes) -> Actor:
        """Give the holder of a key of which only the hash was kept."""
        actor = self._keyring.find(key_hash)
        if actor is None:
            await self._keyring.look_again()
            actor = self._keyring.find(key_hash)
        if actor is None:
            _refuse_key()
        return actor

    async def spend(self, actor: Actor) -> None:
        """Count a request against the rate of its key."""
        if actor.rate is None:
            return
        wait_s = await self._buckets.take(f"key:{actor.id}", actor.rate)
        if wait_s is not None:
            raise errors.TooMany(
                f"Your key may ask {actor.rate.per_second:g} times per second, "
                f"{actor.rate.burst} times at once; try again in a moment.",
                code="rate_limited",
                retry_after_s=wait_s,
            )

    async def refuse_without_key(self, address: str | None) -> NoReturn:
        await self._slow_down(address)
        raise errors.Unauthenticated(
            "A key is needed: send it as Authorization: Bearer <key>.", code="no_key"
        )

    async def _holder(self, key: str, address: str | None) -> Actor:
        key_hash = digest(key)
        actor = self._keyring.find(key_hash)
        if actor is None:
            await self._slow_down(address)
            if key.startswith(KEY_PREFIX):
                await self._keyring.look_again()
                actor = self._keyring.find(key_hash)
        if actor is None:
            _refuse_key()
        return actor

    async def _slow_down(self, address: str | None) -> None:
        wait_s = await self._buckets.take(f"strangers:{address}", WRONG_KEYS)
        if wait_s is not None:
            refuse_guesses(wait_s)


def _refuse_key() -> NoReturn:
    raise errors.Unauthenticated("This key is not known, or no longer valid.", code="wrong_key")


def refuse_guesses(wait_s: float) -> NoReturn:
    raise errors.TooMany(
        "Too many requests from your address were without a valid key; try again later.",
        code="too_many_wrong_keys",
        retry_after_s=wait_s,
    )
