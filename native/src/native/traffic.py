"""Which replicas nginx sends requests to, changed one reload at a time."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import structlog

from native import nginx
from native.refusals import Refusal

log = structlog.get_logger()

_GATHER_SECONDS: Final = 0.1
_FIRST_SECONDS: Final = 1.5
"""At a start all replicas come within moments: what is ready by then goes in at once."""

_OLD_WORKERS_SECONDS: Final = 5.0
"""Requests an old worker had are over by then; one that lives on only holds streams open."""


class Traffic:
    """Brings what the pools say into nginx, and knows what nginx has."""

    def __init__(
        self,
        server: nginx.Server,
        read_master: Callable[[], int | None],
        read_pools: Callable[[], dict[str, tuple[int, ...]]],
    ) -> None:
        self._server = server
        self._read_master = read_master
        self._read_pools = read_pools
        self._live: dict[str, tuple[int, ...]] = {}
        self._lock = asyncio.Lock()
        self._soon: asyncio.Task[None] | None = None

    def render(self) -> None:
        """Write the whole configuration, before nginx starts."""
        self._live = self._read_pools()
        nginx.render(self._server, self._live)

    async def publish(self) -> None:
        """Return when nginx serves by what the pools say, and old workers are out of the way."""
        async with self._lock:
            wanted = self._read_pools()
            if wanted == self._live:
                return
            master = self._read_master()
            if master is None:
                nginx.write_pools(self._server, wanted)  # read when nginx is back
                self._live = wanted
                return
            serving = any(self._live.values())
            async with nginx.closing(self._server) if serving else contextlib.nullcontext():
                wanted = self._read_pools()  # what changed meanwhile needs no reload of its own
                leaving = self._count_leaving(wanted)
                old = await nginx.switch(self._server, master, wanted)
            self._live = wanted
            log.info("upstreams_published", pools={name: len(at) for name, at in wanted.items()})
            if leaving:
                await nginx.wait_gone(old, _OLD_WORKERS_SECONDS)

    def publish_soon(self) -> None:
        """Publish in the background, several changes at once."""
        if self._soon is None or self._soon.done():
            self._soon = asyncio.create_task(self._publish_later())

    async def _publish_later(self) -> None:
        while True:
            serving = any(self._live.values())
            await asyncio.sleep(_GATHER_SECONDS if serving else _FIRST_SECONDS)
            try:
                await self.publish()
            except Refusal as error:
                log.warning("upstreams_not_published", error=str(error))
                continue
            if self._read_pools() == self._live:
                return

    async def close(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            await asyncio.gather(self._soon, return_exceptions=True)

    def _count_leaving(self, wanted: dict[str, tuple[int, ...]]) -> int:
        return sum(len(set(at) - set(wanted.get(name, ()))) for name, at in self._live.items())
