"""The replicas of each service: how many there are, which may serve, how they come and go."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from native import ports, probes
from native.child import Child, Identity, Launch, State
from native.fleet import Service
from native.programs import Program
from native.refusals import BadUse, Refusal
from native.settings import MAX_REPLICAS
from native.traffic import Traffic

READY_SECONDS: Final = 60.0

Plan = Callable[[Service, str, int], Program]
"""Writes the program of a service's replica from its instance name and port."""


async def _is_ready(port: int) -> bool:
    return await probes.answers_200(port, "/readyz")


class Pools:
    """All replicas behind nginx."""

    def __init__(
        self, logs: Path, plan: Plan, recorded: Callable[[], None], launch: Launch
    ) -> None:
        self.services: dict[str, Service] = {}
        self._logs = logs
        self._plan = plan
        self._recorded = recorded
        self._launch = launch
        self._replicas: dict[str, dict[int, Child]] = {}
        self._entered: set[str] = set()
        self._ports: set[int] = set()
        self._lock = asyncio.Lock()
        self._traffic: Traffic | None = None

    def attach(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def add(self, service: Service) -> None:
        """Know the service, with no replica yet."""
        if service.name not in self.services:
            self.services[service.name] = service
            self._replicas[service.name] = {}

    def children(self, service: str | None = None) -> list[Child]:
        names = [service] if service is not None else list(self._replicas)
        return [child for name in names for _, child in sorted(self._replicas[name].items())]

    def count(self, service: str) -> int:
        return sum(child.state != State.DRAINING for child in self._replicas[service].values())

    def read(self) -> dict[str, tuple[int, ...]]:
        """Give the ports that may serve, by pool."""
        return {
            name: tuple(
                child.port
                for _, child in sorted(replicas.items())
                if child.identity.instance in self._entered
            )
            for name, replicas in self._replicas.items()
            if self.services[name].behind_nginx
        }

    def resolve(self, wishes: Mapping[str, str]) -> dict[str, int]:
        """Turn `table-service=5` into a count for each service it means."""
        counts: dict[str, int] = {}
        for name, text in wishes.items():
            meant = [known for known in self.services if known == name]
            if name == "table-service":
                meant = [known for known, service in self.services.items() if service.environment]
            if not meant:
                raise BadUse(
                    f"There is no service {name!r} to scale; "
                    f"there are table-service (all of them), {', '.join(self.services)}."
                )
            if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_REPLICAS):
                raise BadUse(f"{name}={text} is wrong; give a number from 1 to {MAX_REPLICAS}.")
            counts |= dict.fromkeys(meant, int(text))
        return counts

    async def scale(self, counts: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Bring each service to its count; new ones serve once ready, old ones leave first."""
        async with self._lock:
            added = [child for name, count in counts.items() for child in self._grow(name, count)]
            leaving = [child for name, count in counts.items() for child in self._mark(name, count)]
            both = self._welcome(added, say), self._part(leaving, say)
            outcomes = await asyncio.gather(*both, return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome

    async def drop(self, name: str, say: Callable[[str], None]) -> None:
        """Have its replicas finish and leave, then know the service no more."""
        await self.scale({name: 0}, say)
        async with self._lock:
            del self.services[name], self._replicas[name]
            if self._traffic is not None:
                await self._traffic.publish()

    async def renew(self, names: Sequence[str], number: int, say: Callable[[str], None]) -> None:
        """Drain each service's replica of that number, stop it, start it anew; others serve."""
        async with self._lock:
            old = [self._replicas[name][number] for name in names]
            for child in old:
                child.drain()
                self._entered.discard(child.identity.instance)
            await self._part(old, say)
            new = {name: self._make(self.services[name], number) for name in names}
            for name, child in new.items():
                self._replicas[name][number] = child
                child.start()
            await self._welcome([*new.values()], say)

    async def stop(self, say: Callable[[str], None]) -> None:
        """Stop all replicas at once; nginx is gone already."""
        async with self._lock:
            await asyncio.gather(*(child.stop() for child in self.children()))
            for name, replicas in self._replicas.items():
                if replicas:
                    say(f"{name} stopped")
                replicas.clear()
            self._entered.clear()

    def _grow(self, name: str, count: int) -> list[Child]:
        replicas = self._replicas[name]
        added = []
        for number in range(1, count + 1):
            if number not in replicas:
                replicas[number] = child = self._make(self.services[name], number)
                child.start()
                added.append(child)
        return added

    def _mark(self, name: str, count: int) -> list[Child]:
        """Take the replicas with the highest numbers out of service."""
        leaving = [child for number, child in self._replicas[name].items() if number > count]
        for child in leaving:
            child.drain()
            self._entered.discard(child.identity.instance)
        return leaving

    def _make(self, service: Service, number: int) -> Child:
        instance = f"{service.name}-{number}"
        port = 0

        def plan() -> tuple[int, Program]:
            nonlocal port
            if port == 0 or not ports.is_free(port):
                self._ports.discard(port)
                port = ports.pick_free(self._ports)
                self._ports.add(port)
            return port, self._plan(service, instance, port)

        identity = Identity(service.name, instance, service.environment)
        return Child(identity, self._logs, plan, _is_ready, self._follow, launch=self._launch)

    def _follow(self, child: Child) -> None:
        """Let a replica in when it is ready, and out when it died while another one can serve."""
        instance = child.identity.instance
        if child.state == State.READY:
            self._entered.add(instance)
        elif child.state in {State.RESTARTING, State.FAILED}:
            others = {c.identity.instance for c in self.children(child.identity.service)}
            if self._entered & others - {instance}:
                self._entered.discard(instance)
        self._recorded()
        if self._traffic is not None:
            self._traffic.publish_soon()

    async def _welcome(self, added: list[Child], say: Callable[[str], None]) -> None:
        async def wait(child: Child) -> Child | None:
            if not await child.wait_ready(READY_SECONDS):
                return child
            say(f"{child.identity.instance} ready after {child.uptime:.1f} s")
            return None

        late = [child for child in await asyncio.gather(*map(wait, added)) if child]
        if added and self._traffic is not None:
            await self._traffic.publish()
        if late:
            names = ", ".join(child.identity.instance for child in late)
            raise Refusal(
                f"{names} did not get ready and will be tried further; "
                f"see: ./manage.sh logs {late[0].identity.service}"
            )

    async def _part(self, leaving: list[Child], say: Callable[[str], None]) -> None:
        if not leaving:
            return
        try:
            if self._traffic is not None:
                await self._traffic.publish()
        finally:
            await asyncio.gather(*(child.stop() for child in leaving))
            self._forget(leaving, say)

    def _forget(self, leaving: list[Child], say: Callable[[str], None]) -> None:
        for child in leaving:
            replicas = self._replicas[child.identity.service]
            gone = [number for number, known in replicas.items() if known is child]
            for number in gone:
                del replicas[number]
            self._ports.discard(child.port)
            say(f"{child.identity.instance} left")
        self._recorded()
