"""The fleet's breakers on Redis: told at once when they change, and read a few times a second."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from fleetkit.broadcast import Broadcast
from fleetkit.cache import Cache
from ledger.domain.breaker import CLOSED, PROBE_LOST_AFTER, Breaker
from ledger.domain.deliveries import Lease
from table_service.adapters import meters

# An entry nobody has renewed is forgotten: an open breaker is renewed by each failed probe.
FORGOTTEN_AFTER = timedelta(minutes=3)
CHANGED: Final = "breakers"
"""The kind of broadcast that tells an environment's replicas to read again."""


class Board:
    """One hash an environment: a field for each target whose breaker is open."""

    def __init__(
        self, cache: Cache, broadcast: Broadcast, environment: str, now: Callable[[], datetime]
    ) -> None:
        self._cache = cache
        self._broadcast = broadcast
        self._environment = environment
        self._now = now
        self._shown: Mapping[str, Breaker] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, lease: Lease, state: Breaker) -> None:
        """Tell of a change, beside the path of the command that noticed it."""
        self._show(lease.served_by, state)
        task = asyncio.create_task(self._write(lease.served_by, state))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def read(self) -> Mapping[str, Breaker] | None:
        """Read what the fleet knows; None while Redis is away, which closes nothing."""
        if self._telling:
            await asyncio.wait(self._telling)
        fields = await self._cache.hash_read(self._name)
        if fields is None:
            return None
        found = {code.decode(): _parse(orjson.loads(value)) for code, value in fields.items()}
        oldest = self._now() - FORGOTTEN_AFTER
        known = {c: s for c, s in found.items() if s.rested_at is not None and s.rested_at > oldest}
        for code in {*self._shown, *known}:
            self._show(code, known.get(code, CLOSED))
        self._shown = known
        return known

    async def take_probe(self, code: str) -> bool:
        """Be the one that probes; without Redis everybody is."""
        taken = await self._cache.set(
            self._probe(code), b"1", ttl_s=PROBE_LOST_AFTER.total_seconds(), only_if_absent=True
        )
        return taken or self._cache.away

    async def _write(self, code: str, state: Breaker) -> None:
        value = None if state.opened_at is None else orjson.dumps(asdict(state))
        await self._cache.hash_write(self._name, code, value)
        await self._cache.delete(self._probe(code))
        if state.failed_probes == 0:  # it opened or closed; that it stays open is no news
            await self._broadcast.send(CHANGED, {"environment": self._environment})

    def _show(self, code: str, state: Breaker) -> None:
        gauge = meters.BREAKER.labels(self._environment, code)
        gauge.set({"closed": 0, "half_open": 0.5, "open": 1}[state.phase])

    @property
    def _name(self) -> str:
        return f"breakers/{self._environment}"

    def _probe(self, code: str) -> str:
        return f"{self._name}/{code}/probe"


def _parse(record: dict[str, Any]) -> Breaker:
    times = {
        name: datetime.fromisoformat(record[name])
        for name in ("opened_at", "rested_at", "probing_since")
        if record[name] is not None
    }
    return Breaker(**{**record, **times})
