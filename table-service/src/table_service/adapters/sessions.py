"""Sessions at the Table API: one a target, fetched by whoever needs it first, shared by all."""

import asyncio
from collections.abc import Awaitable, Callable

from fleetkit.cache import Cache

# Shorter than a table's own session life; a session that ends sooner is refused and fetched anew.
TTL_S = 3600.0
LOCK_S = 3.0
POLL_S = 0.02

Opener = Callable[[], Awaitable[str]]


class Sessions:
    """The tokens of this replica's targets; without Redis each replica has its own."""

    def __init__(self, cache: Cache, environment: str) -> None:
        self._cache = cache
        self._environment = environment
        self._tokens: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, game_code: str, opener: Opener, *, refused: str | None = None) -> str:
        """Give the target's token; `refused` is one the table no longer takes."""
        token = self._tokens.get(game_code)
        if token is not None and token != refused:
            return token
        async with self._locks.setdefault(game_code, asyncio.Lock()):
            token = self._tokens.get(game_code)
            if token is None or token == refused:
                token = await self._share(game_code, opener, refused)
                self._tokens[game_code] = token
            return token

    async def _share(self, game_code: str, opener: Opener, refused: str | None) -> str:
        """Take another replica's token, or open a session while the others wait for it."""
        key = f"{self._environment}/{game_code}"
        shared = await self._cache.get(key)
        if shared is not None and shared.decode() != refused:
            return shared.decode()
        if not await self._cache.set(f"{key}/lock", b"1", ttl_s=LOCK_S, only_if_absent=True):
            found = await self._await_other(key, refused)
            if found is not None:
                return found
        try:
            token = await opener()
            await self._cache.set(key, token.encode(), ttl_s=TTL_S)
        finally:
            # Also when none was given: whoever asks next must not wait for the lock to end.
            await self._cache.delete(f"{key}/lock")
        return token

    async def _await_other(self, key: str, refused: str | None) -> str | None:
        for _ in range(int(LOCK_S / POLL_S)):
            if self._cache.away:
                return None
            shared = await self._cache.get(key)
            if shared is not None and shared.decode() != refused:
                return shared.decode()
            if await self._cache.get(f"{key}/lock") is None:
                return None
            await asyncio.sleep(POLL_S)
        return None
