"""Token buckets shared in Redis, drawn from in lots so that few requests ask there."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from fleetkit.cache import Cache, Script
from ledger.domain.actors import Rate

# A lot lies here for so long; what is left of it then is forgone.
LOT_S: Final = 1.0
LOT_SHARE: Final = 10
MOST_NAMES: Final = 10_000

# By the clock of Redis, in one piece: the bucket fills, and gives what it has of what is wanted.
_TAKE: Final = Script("""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local rate, burst, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local given = math.min(want, math.floor(tokens))
tokens = tokens - given
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {given, tostring(math.max(0, 1 - tokens) / rate)}
""")


@dataclass(slots=True)
class _Drawn:
    """What this replica holds of a bucket, and its own bucket for while Redis is away."""

    left: int = 0
    until: float = 0.0
    empty_until: float = 0.0
    tokens: float | None = None
    at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Buckets:
    """One bucket for each name."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._drawn: OrderedDict[str, _Drawn] = OrderedDict()

    async def take(self, name: str, rate: Rate) -> float | None:
        """Take a token: None when there was one, else the seconds until there may be one."""
        drawn = self._of(name)
        now = time.monotonic()
        if drawn.left > 0 and now < drawn.until:
            drawn.left -= 1
            return None
        if now < drawn.empty_until:
            return drawn.empty_until - now
        async with drawn.lock:
            if drawn.left <= 0 or time.monotonic() >= drawn.until:
                await self._draw(name, drawn, rate)
            if drawn.left > 0:
                drawn.left -= 1
                return None
            return max(0.0, drawn.empty_until - time.monotonic())

    async def wait(self, name: str, rate: Rate) -> float:
        """Give the seconds until there is a token, taking none."""
        answer = await self._cache.run(_TAKE, name, rate.per_second, rate.burst, 0)
        if answer is None:
            drawn = self._of(name)
            _fill(drawn, rate)
            return max(0.0, 1 - (drawn.tokens or 0.0)) / rate.per_second
        return float(answer[1])

    async def _draw(self, name: str, drawn: _Drawn, rate: Rate) -> None:
        lot = max(1, min(rate.burst // LOT_SHARE, round(rate.per_second)))
        answer: Any = await self._cache.run(_TAKE, name, rate.per_second, rate.burst, lot)
        given, wait_s = _take_here(drawn, rate) if answer is None else (int(answer[0]), answer[1])
        now = time.monotonic()
        drawn.left, drawn.until = given, now + LOT_S
        drawn.empty_until = 0.0 if given else now + float(wait_s)

    def _of(self, name: str) -> _Drawn:
        drawn = self._drawn.get(name)
        if drawn is None:
            drawn = self._drawn[name] = _Drawn()
            if len(self._drawn) > MOST_NAMES:
                self._drawn.popitem(last=False)
        return drawn


def _fill(drawn: _Drawn, rate: Rate) -> None:
    now = time.monotonic()
    before = rate.burst if drawn.tokens is None else drawn.tokens
    drawn.tokens = min(rate.burst, before + (now - drawn.at) * rate.per_second)
    drawn.at = now


def _take_here(drawn: _Drawn, rate: Rate) -> tuple[int, float]:
    _fill(drawn, rate)
    tokens = drawn.tokens or 0.0
    if tokens < 1:
        return 0, (1 - tokens) / rate.per_second
    drawn.tokens = tokens - 1
    return 1, 0.0
