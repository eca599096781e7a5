"""The dead letters: looked at, and published again when what was wrong is put right."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from fleetkit.bus import Bus, Entry, Queue
from fleetkit.telemetry import stamp

MOST: Final = 1_000
WAIT_S: Final = 2.0
_TOLD: Final = ("reason", "queue", "entry", "event_bytes", "died_at")


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that could not be counted."""

    id: str
    reason: str
    entry: str
    died_at: str | None
    size: int
    event: str


class Letters:
    """What lies in `metrics.dlq`."""

    def __init__(self, bus: Bus, queue: Queue, *, name: str, now: Callable[[], float]) -> None:
        self._bus = bus
        self._now = now
        self._queue = queue
        self._name = name

    async def list(self, limit: int) -> tuple[int, "list[Letter]"]:
        """Give how many there are, and the oldest."""
        found = await self._bus.peek(self._queue.dead_letters, limit)
        return await self._bus.length(self._queue.dead_letters), [_letter(one) for one in found]

    async def find(self, letter_id: str) -> Letter | None:
        found = await self._bus.peek(self._queue.dead_letters, MOST)
        return next((_letter(one) for one in found if one.id == letter_id), None)

    async def replay(self, ids: Collection[str] | None, limit: int) -> int:
        """Publish them again, marked so, oldest first; those not asked for stay."""
        wanted = None if ids is None else set(ids)
        left = limit if wanted is None else min(limit, len(wanted))
        begun = stamp(self._now())
        done, looked = 0, 0
        async with self._bus.consume(
            self._queue.dead_letters,
            group="metrics-replay",
            consumer=self._name,
            batch=100,
            in_flight=2 * MOST,
            takeover_s=1.0,
        ) as batches:
            # What is not answered for is given back when the consumer is closed.
            with suppress(TimeoutError):
                while done < left and looked < MOST:
                    async with asyncio.timeout(WAIT_S):
                        batch = await anext(batches)
                    looked += len(batch.entries)
                    for entry in batch.entries:
                        if done < left and _is_meant(entry, wanted, begun):
                            await self._bus.publish(self._queue, _revive(entry))
                            await batch.ack([entry])
                            done += 1
        return done


def _is_meant(entry: Entry, wanted: Collection[str] | None, begun: str) -> bool:
    """Leave out what has died only since, or what can't be mended would go round and round."""
    if wanted is not None:
        return entry.id in wanted
    return _text(entry, "died_at") < begun


def _revive(entry: Entry) -> dict[str, str | bytes]:
    fields: dict[str, str | bytes] = {
        name: value for name, value in entry.fields.items() if name not in _TOLD
    }
    return {**fields, "replay": entry.id}


def _text(entry: Entry, name: str) -> str:
    return entry.fields.get(name, b"").decode(errors="replace")


def _letter(entry: Entry) -> Letter:
    size = _text(entry, "event_bytes")
    beside = {k: _text(entry, k) for k in entry.fields if k not in {*_TOLD, "body"}}
    return Letter(
        id=entry.id,
        reason=_text(entry, "reason"),
        entry=_text(entry, "entry"),
        died_at=_text(entry, "died_at") or None,
        size=int(size) if size.isdigit() else 0,
        event=_text(entry, "body") or str(beside or ""),
    )
