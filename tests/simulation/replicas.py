"""Replicas of an environment's pool: the real courier, deliverer and prober over simulated ways."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

from ledger.domain.breaker import Breaker
from ledger.domain.deliveries import SETTLED, Lease, Settlement
from ledger.store.deliveries import Settled
from simulation import courierstore
from simulation.clock import Process
from simulation.network import Network
from table_service.services import prober
from table_service.services.courier import Courier
from table_service.services.delivering import Deliverer
from table_service.services.guards import Guards
from table_service.services.prober import Prober

if TYPE_CHECKING:
    from simulation.world import World

Answer = TypeVar("Answer")


class Board:
    """What the replicas of an environment tell each other of breakers."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.open: dict[str, Breaker] = {}
        self._probes: dict[str, float] = {}
        self.listening: list[Callable[[], None]] = []

    def tell(self, lease: Lease, state: Breaker) -> None:
        self._probes.pop(lease.served_by, None)
        if state.opened_at is None:
            self.open.pop(lease.served_by, None)
            self._world.count("breaker_closed")
            return
        self._world.count("breaker_opened")
        self.open[lease.served_by] = state
        for listener in self.listening:
            listener()

    async def read(self) -> Mapping[str, Breaker] | None:
        return dict(self.open)

    async def take_probe(self, code: str) -> bool:
        now = self._world.loop.time()
        if self._probes.get(code, -1.0) > now:
            return False
        self._probes[code] = now + 5.0
        return True


class Store:
    """A replica's way to the ledger, as its adapter has it."""

    def __init__(self, world: "World", process: Process, environment: str) -> None:
        self._world = world
        self._process = process
        self._environment = environment
        self.on_follower: Callable[[datetime | None], None] = lambda _: None

    async def _ask(self, operation: Callable[[], Answer]) -> Answer:
        answer = await self._world.link.ask(operation, self._environment)
        self._world.crash_by_chance(self._process)
        return answer

    async def claim(self, *, limit: int, lease: timedelta) -> list[Lease]:
        rows, environment = self._world.rows, self._environment
        leases = await self._ask(
            lambda: courierstore.claim(
                rows, environment, limit=limit, lease=self._world.lease(lease)
            )
        )
        if leases:
            self._world.claimed(self._process, leases)
        return leases

    async def next_due(self) -> datetime | None:
        rows, environment = self._world.rows, self._environment
        return await self._ask(lambda: courierstore.next_due(rows, environment))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        rows = self._world.rows
        if not self._world.safe.prompt:
            await self._world.link.stall(self._environment)
        settled = await self._ask(lambda: courierstore.settle(rows, settlements))
        for settlement in settlements:
            self._world.settled(self._process, settlement)
        if any(one.followed for one in settled):
            self.on_follower(None)
        for settlement in settlements:
            if settlement.state not in SETTLED:
                self.on_follower(settlement.due_at)
                continue
            stop_at = settlement.opened.bet_stop_at if settlement.opened is not None else None
            if stop_at is not None and self._world.safe.wakes:
                self.on_follower(stop_at)
        return settled

    async def switch(self, lease: Lease, served_by: str, *, reason: str | None) -> Lease | None:
        del reason
        rows = self._world.rows
        taken = await self._ask(lambda: courierstore.switch(rows, lease, served_by))
        self._world.count("failed_over" if taken else "fail_over_fenced")
        return taken

    async def announce(self, settled: Sequence[Settled]) -> None:
        """Nobody waits for it here: a dealer looks for himself."""

    async def waited_for(self) -> set[str]:
        rows = self._world.rows
        return await self._ask(lambda: courierstore.waited_for(rows, self._environment))

    async def hasten(self, lease: Lease) -> None:
        rows, target = self._world.rows, (lease.environment, lease.served_by)
        await self._ask(lambda: courierstore.hasten(rows, target))
        self._world.notify(self._environment)


class Replica:
    """One process of a pool, which may die at any await and come back as another."""

    def __init__(self, world: "World", environment: str, name: str, board: Board) -> None:
        self.environment = environment
        self._world = world
        self._board = board
        self.process = Process(name)
        random = Random(world.random.getrandbits(64))
        skew = timedelta(milliseconds=random.uniform(-20.0, 20.0))
        loop = world.loop

        def now() -> datetime:
            return loop.now() + skew

        store = Store(world, self.process, environment)
        network = Network(world, self.process, environment, random)
        self._guards = Guards(on_change=board.tell)
        self.deliverer = Deliverer(
            store=store, tables=network, guards=self._guards, now=now, random=random
        )
        self._prober = Prober(
            guards=self._guards,
            board=board,
            waiting=store,
            tables=Network(world, self.process, environment, random, probing=True),
            now=now,
        )
        self.courier = Courier(work=store, deliverer=self.deliverer, now=now)
        store.on_follower = self.courier.wake
        self._probing = False
        board.listening.append(self._listen)
        loop.begin(self.process, self.courier.run())
        self._listen()

    def _listen(self) -> None:
        if not self._probing and self._board.open and self.process.alive:
            self._probing = True
            self._world.loop.begin(self.process, self._probe())

    async def _probe(self) -> None:
        """Probe as the prober does, but only while there is anything to probe."""
        while self._board.open or self._guards.open_targets() or self._guards._fleet:
            await self._world.probe(self._prober.round, prober.ROUND_S)
        self._probing = False

    def crash(self) -> None:
        self._board.listening.remove(self._listen)
        self.process.kill()
