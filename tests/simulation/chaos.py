"""Trouble that comes by the clock: crashes, outages, pauses; and the healing of it all."""

import asyncio
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.world import World


class Chaos:
    """What goes wrong in a world while it is played."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random

    async def run(self) -> None:
        world, chances = self._world, self._world.chances
        kinds = [
            kind
            for kind, happens in (
                (self._crash, chances.crashes),
                (self._crash_pool, chances.crashes),
                (self._outage, chances.outages),
                (self._store_outage, chances.store_outages),
                (self._pause, chances.pauses),
            )
            if happens
        ]
        if not kinds:
            return
        while True:
            # By the simulated clock: no real time goes by.
            await asyncio.sleep(1.0 + self._random.random() * 25.0)  # by the simulated clock
            self._random.choice(kinds)()
            if world.observer.first is not None:
                return

    def _somewhere(self) -> str | None:
        rough = [e for e in self._world.layout.environments if e != self._world.layout.calm]
        return self._random.choice(rough) if rough else None

    def _crash(self) -> None:
        world = self._world
        processes = [r.process for r in world.replicas if r.environment != world.layout.calm]
        processes += [gateway.process for gateway in world.gateways]
        world.crash(self._random.choice(processes))

    def _crash_pool(self) -> None:
        where = self._somewhere()
        if where is not None:
            self._world.count("pool_killed")
            for replica in self._world.alive(where):
                self._world.crash(replica.process)

    def _outage(self) -> None:
        where = self._somewhere()
        if where is None:
            return
        weather = self._world.weather[where]
        weather.out_until = self._world.loop.time() + self._random.random() ** 2 * 120.0
        weather.out_how = self._random.choice(
            ("refused", "lost_before", "error_before", "lost_after")
        )
        self._world.count("outage")
        self._world.note(where, "OUTAGE", weather.out_how, weather.out_until)

    def _store_outage(self) -> None:
        world = self._world
        world.link.out_until = world.loop.time() + self._random.random() * 8.0
        world.count("store_outage")
        world.disturb(None)
        for weather in world.weather.values():
            weather.disturbed_until = world.link.out_until + 9.0

    def _pause(self) -> None:
        world = self._world
        targets = [t for t in world.tables.values() if t.target[0] != world.layout.calm]
        if targets:
            table = self._random.choice(targets)
            table.paused = "shift change" if table.paused is None else None
            world.count("paused")

    def heal(self) -> None:
        world = self._world
        world.link.out_until = 0.0
        for weather in world.weather.values():
            weather.call_fault = weather.handover_lost = weather.handover_slow = 0.0
            weather.out_until = 0.0
        for table in world.tables.values():
            table.paused = None
        for environment in world.layout.environments:
            if not world.alive(environment):
                world.begin_replica(environment)
