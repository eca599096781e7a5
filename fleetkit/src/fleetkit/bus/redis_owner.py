"""Being the one consumer of a stream: a lease in Redis, renewed beside the work."""

import asyncio
import secrets
import time
from typing import Any, Final

from fleetkit import logs
from fleetkit.bus.redis_wire import FAILURES

log = logs.get(__name__)

LEASE_S: Final = 6.0
RENEW_EVERY_S: Final = 1.5
ASK_EVERY_S: Final = 0.5

_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RESIGN: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"


class Owner:
    """A claim on one key; nobody who lost it may be sure to know so at once."""

    def __init__(self, client: Any, key: str, name: str) -> None:
        self._client = client
        self._key = key
        self._token = f"{name}:{secrets.token_hex(8)}"
        self._until = 0.0

    @property
    def owns(self) -> bool:
        return time.monotonic() < self._until

    async def wait(self) -> None:
        """Wait until it is ours; what stands from before a lost connection still is."""
        while True:
            asked = time.monotonic()
            lease_ms = round(LEASE_S * 1000)
            ours = await self._client.set(self._key, self._token, nx=True, px=lease_ms)
            if ours or await self._renewed():
                self._until = asked + LEASE_S
                return
            await asyncio.sleep(ASK_EVERY_S)

    async def keep(self) -> None:
        """Renew it for as long as it is ours."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            if not self.owns:
                continue
            asked = time.monotonic()
            try:
                self._until = asked + LEASE_S if await self._renewed() else 0.0
            except FAILURES as error:
                log.debug("bus_ownership_not_renewed", key=self._key, reason=str(error))

    async def resign(self) -> None:
        self._until = 0.0
        await self._client.eval(_RESIGN, 1, self._key, self._token)

    async def _renewed(self) -> bool:
        lease_ms = round(LEASE_S * 1000)
        return bool(await self._client.eval(_RENEW, 1, self._key, self._token, lease_ms))
