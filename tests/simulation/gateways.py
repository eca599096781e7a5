"""Gateways: a command written whole, then handed to one replica of each environment."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

from fleetkit import errors
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from simulation import gatewaystore
from simulation.clock import Process
from simulation.gatewaystore import Written
from simulation.rows import Place, Round

if TYPE_CHECKING:
    from simulation.world import World

Answer = TypeVar("Answer")

START_LEASE = timedelta(seconds=3.5)
LEASE = timedelta(seconds=4)


class Gateway:
    """One gateway process; a dealer whose gateway dies asks another."""

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self._random = Random(world.random.getrandbits(64))
        self.process = Process(name)

    async def start(
        self, table: str, places: Sequence[Place], *, deadline: timedelta, wait_s: float
    ) -> Round:
        world = self._world
        command = world.next_command()
        written = await self._write(
            lambda: gatewaystore.start(
                world.rows,
                command,
                table,
                places,
                deadline=deadline,
                lease=world.lease(START_LEASE),
            )
        )
        await self._carry(written, wait_s)
        return written.round

    async def advance(
        self,
        round_: Round,
        kind: Kind,
        *,
        body: dict[str, object] | None = None,
        wait_s: float = 2.0,
    ) -> bool:
        """Give a round its next command; False when its state does not take it."""
        world = self._world
        command = world.next_command()
        written = await self._write(
            lambda: gatewaystore.advance(
                world.rows, command, round_, kind, lease=world.lease(LEASE), body=body
            )
        )
        if written is None:
            return False
        if kind is Kind.RESULT:
            round_.answered = True
        await self._carry(written, wait_s)
        return True

    async def _write(self, write: Callable[[], Answer]) -> Answer:
        if not self.process.alive:
            raise errors.Unavailable("The gateway is gone.")
        answer = await self._world.link.ask(write, None)
        self._world.crash_by_chance(self.process)
        return answer

    async def _carry(self, written: Written, wait_s: float) -> None:
        world = self._world
        for environment in sorted(written.waiting):
            world.notify(environment)
        by_environment: dict[str, list[Lease]] = {}
        for lease in written.leases:
            by_environment.setdefault(lease.environment, []).append(lease)
        if not world.safe.walls:
            for environment, leases in by_environment.items():
                await self._hand_over(environment, leases)
            return
        tasks = [
            world.loop.create_task(self._hand_over(environment, leases))
            for environment, leases in by_environment.items()
        ]
        if tasks:
            await asyncio.wait(tasks, timeout=wait_s)

    async def _hand_over(self, environment: str, leases: list[Lease]) -> None:
        """Post leases to a replica that Nginx picks; give them back when none could be reached."""
        world, random = self._world, self._random
        weather = world.weather[environment]
        chance = random.random()
        if chance < weather.handover_slow:
            world.count("handover_slow")
            world.disturb(environment)
            await asyncio.sleep(random.random() * 6.0)
        else:
            await asyncio.sleep(random.random() * 0.004)
        alive = world.alive(environment)
        lost = random.random() < weather.handover_lost
        if lost and random.random() < 0.5:
            world.count("handover_lost")
            world.disturb(environment)
            return
        if not alive or lost:
            world.count("handover_unsent")
            try:
                await world.link.ask(lambda: gatewaystore.release(world.rows, leases), environment)
            except errors.Unavailable:
                world.count("release_failed")
            else:
                world.notify(environment)
            return
        chosen = [random.choice(alive)]
        if not world.safe.one_handover:
            chosen.append(random.choice(alive))
        tasks = [
            world.loop.begin(each.process, self._deliver(each.deliverer.deliver, leases))
            for each in chosen
        ]
        await asyncio.wait(tasks)

    async def _deliver(self, deliver: Callable[..., object], leases: list[Lease]) -> None:
        try:
            await deliver(leases)  # type: ignore[misc]
        except errors.Unavailable:
            self._world.count("settlement_not_written")
