"""A world: environments, tables, dealers and trouble, drawn from one seed and played to its end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from fleetkit import errors
from ledger.domain.deliveries import Lease, Settlement
from simulation import chances
from simulation.chaos import Chaos
from simulation.clock import Loop, Process
from simulation.dealers import Dealer
from simulation.gateways import Gateway
from simulation.invariants import Observer
from simulation.layout import lay_out
from simulation.ledgerstore import Rows
from simulation.link import Link
from simulation.replicas import Board, Replica
from simulation.safeguards import ALL, Safeguards
from simulation.tables import Table
from simulation.weather import Weather
from table_service.services import courier

HOURS = 30


class World:
    """Everything there is, and the record of what happened."""

    def __init__(self, seed: str, safe: Safeguards = ALL, *, tracing: bool = False) -> None:
        self.seed = seed
        self.safe = safe
        self.random = Random(seed)
        self.loop = Loop()
        self.rows = Rows(self.loop.now, safe)
        self.observer = Observer(self)
        self.rows.on_settled = self.observer.settled
        self.counts: Counter[str] = Counter()
        self.trace: list[str] | None = [] if tracing else None
        self.chances = chances.draw(self.random)
        self.layout = lay_out(self.random)
        self.calm = self.layout.calm
        self.healed = False
        self.boards: dict[str, Board] = {}
        self.weather: dict[str, Weather] = {}
        self.replicas: list[Replica] = []
        self.tables: dict[tuple[str, str], Table] = {}
        self._commands = 0
        self._names = 0
        self._chaos = Random(self.random.getrandbits(64))
        self.link = Link(self, Random(self.random.getrandbits(64)))
        self._build()
        self.gateways = [Gateway(self, f"gateway-{number}") for number in (1, 2)]

    def _build(self) -> None:
        for environment in self.layout.environments:
            self.boards[environment] = Board(self)
            calm = environment == self.layout.calm
            self.weather[environment] = (
                Weather()
                if calm
                else Weather(
                    self.chances.call_fault, self.chances.handover_lost, self.chances.handover_slow
                )
            )
        for target, table in self.layout.tables:
            self.tables[target] = Table(
                target=target,
                bet_period=table.bet_period,
                auto_bet_stop=table.auto_bet_stop,
                lenient=table.lenient,
                skew=table.skew,
                now=self.loop.now,
                on_effect=self.observer.took_effect,
            )

    def play(self) -> Counter[str]:
        """Play to the end; what was observed to break is in `observer.first`."""
        before = courier.LOOKOUT_S
        try:
            self.loop.run(self._play())
        finally:
            courier.LOOKOUT_S = before
            for replica in self.replicas:
                replica.process.tasks.clear()
        if self.loop.complaints and self.observer.first is None:
            self.observer.breaks(0, f"the engine failed: {self.loop.complaints[0]}")
        self.counts["rounds"] += len(self.rows.rounds)
        self.counts["deliveries"] += len(self.rows.deliveries)
        self.counts["fenced"] += sum(d.fenced for d in self.rows.deliveries)
        return self.counts

    async def _play(self) -> None:
        courier.LOOKOUT_S = self.layout.lookout_s
        for environment, number in self.layout.replicas.items():
            for _ in range(number):
                self.begin_replica(environment)
        chaos = Chaos(self, self._chaos)
        dealers = [
            Dealer(self, name, places, self.layout.rounds)
            for name, places in self.layout.physical.items()
        ]
        plays = [self.loop.create_task(dealer.play()) for dealer in dealers]
        trouble = self.loop.create_task(chaos.run())
        await asyncio.wait(plays)
        for play in plays:
            play.result()
        trouble.cancel()
        chaos.heal()
        self.healed = True
        courier.LOOKOUT_S = 20.0
        await self._rest(dealers)
        for replica in self.replicas:
            replica.process.kill()
        for _ in range(3):
            await asyncio.sleep(0)
        self.observer.check_rest()

    async def _rest(self, dealers: Sequence[Dealer]) -> None:
        """Let hours pass until nothing is left to do and nothing is under way any more."""
        end = self.loop.time() + HOURS * 3600.0
        while self.loop.time() < end and self.observer.first is None:
            over = [await dealer.leave() for dealer in dealers]
            if all(over) and not any(self.rows.unsettled.values()):
                return
            courier.LOOKOUT_S = min(600.0, courier.LOOKOUT_S * 1.5)
            await asyncio.sleep(min(300.0, courier.LOOKOUT_S))

    def begin_replica(self, environment: str) -> None:
        self._names += 1
        name = f"{environment.lower()}-{self._names}"
        self.replicas.append(Replica(self, environment, name, self.boards[environment]))

    def alive(self, environment: str) -> list[Replica]:
        return [r for r in self.replicas if r.environment == environment and r.process.alive]

    def gateway(self) -> Gateway:
        return self.random.choice(self.gateways)

    def next_command(self) -> str:
        self._commands += 1
        return f"c{self._commands}"

    def lease(self, asked: timedelta) -> timedelta:
        """Give the time for which the ledger keeps a lease."""
        return asked if self.safe.leases else timedelta(seconds=0.1)

    def notify(self, environment: str) -> None:
        """Wake an environment's couriers, as LISTEN does."""
        self.loop.call_later(0.001, self._wake, environment)

    def _wake(self, environment: str) -> None:
        for replica in self.alive(environment):
            replica.courier.wake()

    async def probe(self, probe: Callable[[], Awaitable[None]], every_s: float) -> None:
        try:
            await probe()
        except errors.Unavailable:
            self.count("probe_without_ledger")
        await asyncio.sleep(every_s)

    def crash_by_chance(self, process: Process) -> None:
        """Kill a process where it stands, now and then."""
        chance = self.chances.crash_at_await
        if chance and not self.healed and process.alive and self._chaos.random() < chance:
            self.loop.call_soon(self.crash, process)

    def crash(self, process: Process) -> None:
        if not process.alive:
            return
        self.count("crash_gateway" if process.name.startswith("gateway") else "crash_replica")
        self.note(process.name, "CRASHED")
        for number, gateway in enumerate(self.gateways):
            if gateway.process is process:
                process.kill()
                self.gateways[number] = Gateway(self, process.name)
                return
        for replica in self.replicas:
            if replica.process is process:
                if replica.environment == self.layout.calm:
                    return
                replica.crash()
                self.replicas.remove(replica)
                self.disturb(replica.environment)
                back = self._chaos.random() ** 2 * 8.0
                self.loop.call_later(back, self.begin_replica, replica.environment)
                return

    def disturb(self, environment: str | None) -> None:
        names = self.weather if environment is None else (environment,)
        for name in names:
            self.weather[name].disturbed_until = self.loop.time() + 9.0

    def disturbed(self, environment: str, since: datetime) -> bool:
        """Say whether anything went wrong around an environment since then."""
        return (
            self.loop.time() - self.weather[environment].disturbed_until
            < (self.loop.now() - since).total_seconds()
        )

    def claimed(self, process: Process, leases: Sequence[Lease]) -> None:
        if self.trace is not None:
            for lease in leases:
                self.note(process.name, lease.id, "claimed", f"look={lease.look}", lease.leg_state)

    def settled(self, process: Process, settlement: Settlement) -> None:
        kind = settlement.lease.kind
        if settlement.opened is not None and kind.value == "start" and settlement.lease.look:
            self.count("adopted")
        if settlement.cancel_late:
            self.count("cancelled_late")
        if settlement.alert:
            self.count("alert")
        self.count(f"settled_{settlement.state}")
        if self.trace is not None:
            self.note(process.name, settlement.lease.id, kind, settlement.state, settlement.code)

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def note(self, *said: object) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.loop.time():9.3f}  " + "  ".join(map(str, said)))


def play(seed: str, safe: Safeguards = ALL, *, tracing: bool = False) -> World:
    world = World(seed, safe, tracing=tracing)
    world.play()
    return world


__all__ = ["World", "play"]
