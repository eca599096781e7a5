"""The process that owns the fleet: brings it up, keeps it up, scales it, takes it down."""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import time
from typing import Any

import structlog

from native import control, environments, fleet, nginx, orphans, rolling, showing, supervisor_lock
from native.backing import Backing, remove_leftover_folders
from native.child import Child
from native.control import Say
from native.nursery.keeper import Nursery
from native.places import Memory, Places, make_private_folder
from native.pools import Pools
from native.programs import Program
from native.refusals import BadUse, NotRunning, Refusal
from native.settings import Settings
from native.traffic import Traffic

log = structlog.get_logger()


class Supervisor:
    """Owns every process of one fleet."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.state)
        self.memory = Memory.load(self.places.memory)
        self.ended = asyncio.Event()
        self._backing: Backing | None = None
        self._nursery = Nursery()
        self._pools = Pools(self.places.logs, self._plan, self._record, self._nursery.launch)
        self._traffic: Traffic | None = None
        self._changing = asyncio.Lock()
        self._cleared: list[str] = []

    async def handle(self, request: dict[str, Any], say: Say) -> dict[str, Any]:
        """Answer one request of the command line."""
        verb = request.get("verb")
        if verb == "up":
            return await self._up(request, say)
        if verb == "scale":
            return await self._scale(request["wishes"], say)
        if verb == "add_environment":
            return await self._add_environment(request["environment"], say)
        if verb == "remove_environment":
            return await self._remove_environment(request["environment"], say)
        if verb == "upgrade":
            return await self._upgrade(say)
        if verb == "status":
            return {"services": await self._show()}
        if verb == "down":
            await self.shut_down(say)
            return {}
        raise BadUse(f"The supervisor knows no verb {verb!r}; restart the fleet.")

    def clear_orphans(self) -> None:
        self._cleared = orphans.clear(self.places.processes)
        remove_leftover_folders(self.memory)

    async def _up(self, request: dict[str, Any], say: Say) -> dict[str, Any]:
        if request["port"] != self.settings.port:
            raise BadUse(
                f"The fleet of this checkout runs on port {self.settings.port} already; "
                "first: ./manage.sh down"
            )
        async with self._changing:
            if self._backing is not None:
                return await self._complete(request, say)
            if self._cleared:
                say(f"cleaned up after a killed supervisor: {', '.join(self._cleared)}")
            started = time.monotonic()
            try:
                await self._bring_all(say)
            except BaseException:
                await self._take_down(lambda _: None)
                self.ended.set()
                raise
            try:
                await self._start_missing(say)
            except Refusal as refusal:
                raise Refusal(f"The fleet is up, but {refusal}") from refusal
            return {"fresh": True, "seconds": time.monotonic() - started}

    async def _complete(self, request: dict[str, Any], say: Say) -> dict[str, Any]:
        """Add the pools that are asked for by now and are not there yet."""
        wanted = environments.effective(request["environments"], self.memory)
        new = [name for name in wanted if name not in self._environments()]
        self._know([*self._environments(), *new])
        await self._start_missing(say)
        return {"fresh": False, "added": new}

    def _environments(self) -> list[str]:
        return [s.environment for s in self._pools.services.values() if s.environment]

    def _know(self, names: list[str]) -> None:
        for service in fleet.list_services(names):
            self._pools.add(service)

    async def _bring_all(self, say: Say) -> None:
        nginx.find_binary()
        backing = self._backing = Backing(self.settings, self.places, self.memory, self._record)
        self._know(environments.effective(self.settings.environments, self.memory))
        self._traffic = Traffic(backing.nginx, self._read_nginx, self._pools.read)
        self._pools.attach(self._traffic)
        log.info("fleet_starting", port=self.settings.port, state=str(self.places.state))
        early = backing.is_migrated
        first = next(iter(self._pools.services.values()))
        await self._nursery.warm(first.module)
        parts = [
            asyncio.create_task(backing.bring_postgres(say)),
            asyncio.create_task(backing.bring_valkey(say)),
            asyncio.create_task(backing.bring_rabbitmq(say)),
            asyncio.create_task(backing.bring_nginx(self._traffic, say)),
            asyncio.create_task(backing.bring_simulator(say)),
        ]
        # With its schema in place the services may wait for Postgres themselves.
        services = asyncio.create_task(self._start_missing(say)) if early else None
        try:
            await asyncio.gather(*parts)
        except BaseException:
            for task in (*parts, *([services] if services else [])):
                task.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            raise
        if services is not None:
            await asyncio.wait({services})
            services.exception()  # told by _start_missing, which looks at all of them again

    async def _start_missing(self, say: Say) -> None:
        wanted = {
            name: max(
                self._pools.count(name),
                fleet.starting_count(service, self.settings, self.memory.counts),
            )
            for name, service in self._pools.services.items()
        }
        await self._pools.scale(wanted, say)

    async def _scale(self, wishes: dict[str, str], say: Say) -> dict[str, Any]:
        if self._backing is None:
            raise NotRunning("The fleet is not up yet; wait for ./manage.sh up to end.")
        counts = self._pools.resolve(wishes)
        async with self._changing:
            if self.ended.is_set():
                raise NotRunning("The fleet was taken down; start it with: ./manage.sh up")
            before = {name: self._pools.count(name) for name in counts}
            self.memory.counts |= counts
            self.memory.save(self.places.memory)
            await self._pools.scale(counts, say)
        return {"before": before, "after": counts}

    async def _add_environment(self, name: str, say: Say) -> dict[str, Any]:
        if self._backing is None:
            raise NotRunning("The fleet is not up yet; wait for ./manage.sh up to end.")
        async with self._changing:
            new = name not in self._environments()
            environments.remember(self.memory, name, there=True)
            self.memory.save(self.places.memory)
            self._know([name])
            await self._start_missing(say)
        return {"new": new, "replicas": self._pools.count(fleet.name_pool(name))}

    async def _remove_environment(self, name: str, say: Say) -> dict[str, Any]:
        if self._backing is None:
            raise NotRunning("The fleet is not up yet; wait for ./manage.sh up to end.")
        async with self._changing:
            there = name in self._environments()
            environments.remember(self.memory, name, there=False)
            self.memory.counts.pop(fleet.name_pool(name), None)
            self.memory.save(self.places.memory)
            if there:
                await self._pools.drop(fleet.name_pool(name), say)
        return {"was_there": there}

    async def _upgrade(self, say: Say) -> dict[str, Any]:
        if self._backing is None:
            raise NotRunning("The fleet is not up yet; wait for ./manage.sh up to end.")
        async with self._changing:
            await self._nursery.forget()
            return {"replaced": await rolling.roll(self._backing, self._pools, say)}

    async def _show(self) -> list[dict[str, Any]]:
        return await showing.show(self._children(), self._pools.children())

    async def shut_down(self, say: Say) -> None:
        async with self._changing:
            await self._take_down(say)
        self.ended.set()

    async def _take_down(self, say: Say) -> None:
        """End the edge first, so that nothing new comes in, and the data last."""
        if self._traffic is not None:
            await self._traffic.close()
        if self._backing is not None:
            await self._backing.stop(("nginx",), say)
            await self._pools.stop(say)
            await self._nursery.close()
            await self._backing.stop(("simulator",), say)
            await self._backing.stop(("rabbitmq", "redis", "postgres"), say)
            self._backing.remove_folders()
        self.places.processes.unlink(missing_ok=True)
        log.info("fleet_stopped")

    def _children(self) -> list[Child]:
        backing = self._backing.children if self._backing is not None else {}
        order = ("nginx", "simulator", "rabbitmq", "redis", "postgres")
        own = [backing[name] for name in order if name in backing]
        return [*own[:1], *self._pools.children(), *own[1:]]

    def _plan(self, service: fleet.Service, instance: str, port: int) -> Program:
        if self._backing is None:
            raise NotRunning("The fleet is not up.")
        return fleet.write_program(service, instance, port, self.settings, self._backing.endpoints)

    def _record(self) -> None:
        orphans.record(self.places.processes, self._children())

    def _read_nginx(self) -> int | None:
        child = self._backing.children.get("nginx") if self._backing is not None else None
        return child.pid if child is not None else None


async def run(settings: Settings) -> None:
    """Serve the control socket until the fleet is taken down."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    places = Places(settings.state)
    places.make()
    lock = supervisor_lock.take(places.lock)
    if lock is None:
        raise Refusal("Another supervisor holds this state folder.")
    supervisor = Supervisor(settings)
    supervisor.clear_orphans()
    folder = make_private_folder("ctl")
    # A lock on the folder keeps the machine's cleaner of old temporary files away.
    kept = os.open(folder, os.O_RDONLY)
    fcntl.flock(kept, fcntl.LOCK_SH)
    socket = folder / "control"
    server = await control.serve(socket, supervisor.handle)
    supervisor.memory.control = str(socket)
    supervisor.memory.folders.append(str(folder))
    supervisor.memory.save(places.memory)
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def end() -> None:
        tasks.add(asyncio.create_task(supervisor.shut_down(lambda _: None)))

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        await supervisor.ended.wait()
        await asyncio.sleep(0.05)  # lets the answer to `down` reach the command line
    finally:
        server.close()
        supervisor.memory.control = None
        supervisor.memory.folders.remove(str(folder))
        supervisor.memory.save(places.memory)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(kept)
        lock.close()
