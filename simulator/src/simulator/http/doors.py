"""Listeners: the shared one, and one of its own for each environment that asks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.domain.refusals import TurnedAwayError
from simulator.domain.world import World
from simulator.http.connections import Connection

BACKLOG = 1024
MakeConnection = Callable[[set[Connection]], Connection]


@dataclass(slots=True)
class Door:
    """A port, open or shut, and the connections that came in through it."""

    port: int
    server: asyncio.Server | None = None
    connections: set[Connection] = field(default_factory=set)


class Doors:
    """All listeners of the process."""

    def __init__(self, host: str, world: World, make: MakeConnection) -> None:
        self._host = host
        self._world = world
        self._make = make
        self._own: dict[str, Door] = {}
        # Two control calls at once must not open one port twice.
        self._lock = asyncio.Lock()

    async def open_shared(self, port: int) -> int:
        door = Door(port)
        await self._open(door)
        return door.port

    async def open_own(self, environment: str, port: int) -> None:
        """Give the environment a port; 0 takes any, or keeps the one it has."""
        async with self._lock:
            known = self._own.get(environment)
            if known is not None and port in (0, known.port):
                return
            door = Door(port)
            await self._open(door)
            self.close_own(environment)
            self._own[environment] = door
        await self.settle()

    def close_own(self, environment: str) -> None:
        door = self._own.pop(environment, None)
        if door is not None:
            _shut(door)

    def port_of(self, environment: str) -> int | None:
        door = self._own.get(environment)
        return None if door is None else door.port

    async def settle(self) -> None:
        """Shut the doors that a `refuse` fault wants shut, open the others."""
        async with self._lock:
            for environment, door in tuple(self._own.items()):
                refused = self._world.faults.shuts_door(environment)
                if refused:
                    _shut(door)
                elif door.server is None:
                    await self._reopen(door)

    async def _reopen(self, door: Door) -> None:
        try:
            await self._open(door)
        except OSError as error:
            raise TurnedAwayError(
                503, f"port {door.port} can't be opened again: {error}"
            ) from error

    async def _open(self, door: Door) -> None:
        loop = asyncio.get_running_loop()
        door.server = await loop.create_server(
            lambda: self._make(door.connections), self._host, door.port, backlog=BACKLOG
        )
        door.port = door.server.sockets[0].getsockname()[1]


def _shut(door: Door) -> None:
    if door.server is not None:
        door.server.close()
        door.server = None
    for connection in tuple(door.connections):
        connection.reset()
