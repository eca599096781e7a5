"""Dead letters: entries that could not be written, shown, and put in again once that is mended."""

import asyncio
from typing import Final

from fleetkit.bus import Bus, Entry
from log_service.adapters import stream

_TOLD: Final = frozenset({"reason", "queue", "entry"})
_PATIENCE_S: Final = 5.0


class Dead:
    """The entries of `logs.dead`."""

    def __init__(self, bus: Bus, *, name: str, length: int) -> None:
        self._bus = bus
        self._name = name
        self._queue = stream.queue(length)

    async def find(self, limit: int) -> tuple[int, list[Entry]]:
        """Give how many there are, and the oldest."""
        letters = self._queue.dead_letters
        return await self._bus.length(letters), await self._bus.peek(letters, limit)

    async def replay(self) -> int:
        """Put what is there now into the stream again, each once; give how many that was."""
        left = total = await self._bus.length(self._queue.dead_letters)
        if not left:
            return 0
        async with (
            self._bus.consume(
                self._queue.dead_letters, group="replay", consumer=self._name, takeover_s=1
            ) as batches,
            asyncio.timeout(_PATIENCE_S) as patience,
        ):
            async for batch in batches:
                entries = batch.entries[:left]
                await self._bus.publish_many(
                    self._queue,
                    [
                        {name: value for name, value in one.fields.items() if name not in _TOLD}
                        for one in entries
                    ],
                    once=[f"replay:{one.id}" for one in entries],
                )
                await batch.ack(entries)
                left -= len(entries)
                if left <= 0:
                    break
                patience.reschedule(asyncio.get_running_loop().time() + _PATIENCE_S)
        return total - left
