"""Sessions at the Table API: one a target, fetched by whoever needs it first, shared by all."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from fleetkit.cache import Cache
from table_service.adapters.seals import Seal

# Shorter than a table's own session life; a session that ends sooner is refused and fetched anew.
TTL_S = 3600.0
POLL_S = 0.02
MARGIN_S = 1.0

Opener = Callable[[], Awaitable[str]]


class Sessions:
    """The tokens of this replica's targets; without Redis each replica has its own."""

    def __init__(self, cache: Cache, environment: str, seal: Seal) -> None:
        self._cache = cache
        self._environment = environment
        self._seal = seal
        self._tokens: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(
        self, game_code: str, opener: Opener, *, within_s: float, refused: str | None = None
    ) -> str:
        """Give the target's token; `refused` is one the table no longer takes.

        The opener takes no longer than `within_s`; nobody waits longer for another's.
        """
        token = self._tokens.get(game_code)
        if token is not None and token != refused:
            return token
        async with self._locks.setdefault(game_code, asyncio.Lock()):
            token = self._tokens.get(game_code)
            if token is None or token == refused:
                token = await self._share(game_code, opener, within_s, refused)
                self._tokens[game_code] = token
            return token

    async def _share(
        self, game_code: str, opener: Opener, within_s: float, refused: str | None
    ) -> str:
        """Take another replica's token, or open a session while the others wait for it."""
        key = f"{self._environment}/{game_code}"
        deadline = time.monotonic() + within_s
        token = await self._read(key, refused)
        while token is None:
            if await self._lock(key, within_s):
                return await self._open_locked(key, opener, refused)
            if self._cache.away or time.monotonic() >= deadline:
                return await self._open(key, opener)
            token = await self._await_other(key, refused, deadline)
        return token

    async def _open_locked(self, key: str, opener: Opener, refused: str | None) -> str:
        try:
            # Who held the lock until now has left what it opened: look once more before opening.
            return await self._read(key, refused) or await self._open(key, opener)
        finally:
            # Also when none was given: whoever asks next must not wait for the lock to end.
            await self._cache.delete(f"{key}/lock")

    async def _open(self, key: str, opener: Opener) -> str:
        token = await opener()
        await self._cache.set(key, self._seal.close(token, key), ttl_s=TTL_S)
        return token

    async def _lock(self, key: str, within_s: float) -> bool:
        lasting = within_s + MARGIN_S
        return await self._cache.set(f"{key}/lock", b"1", ttl_s=lasting, only_if_absent=True)

    async def _read(self, key: str, refused: str | None) -> str | None:
        token = self._seal.open(await self._cache.get(key), key)
        return None if token == refused else token

    async def _await_other(self, key: str, refused: str | None, deadline: float) -> str | None:
        while time.monotonic() < deadline and not self._cache.away:
            held = await self._cache.get(f"{key}/lock") is not None
            # In this order: what is written before the lock is let go is seen after it.
            token = await self._read(key, refused)
            if token is not None or not held:
                return token
            await asyncio.sleep(POLL_S)
        return None
