"""What the services stand on: Postgres with its schema, Valkey, the simulator, nginx."""

import asyncio
import hashlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from native import fleet, nginx, ports, postgres, probes, programs, rabbitmq, valkey
from native.child import Child, Identity
from native.control import Say
from native.places import ROOT, Memory, Places
from native.programs import Program
from native.refusals import Refusal
from native.settings import Settings
from native.traffic import Traffic

_SECONDS: Final = 45.0
_RABBITMQ_SECONDS: Final = 120.0
_MIGRATIONS: Final = ROOT / "postgres" / "migrations"


def _digest_migrations() -> str:
    digest = hashlib.sha256()
    for path in sorted(_MIGRATIONS.glob("*.sql")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


async def _answers_http(port: int) -> bool:
    return await probes.http_status(port, "/healthz") is not None


class Backing:
    """The processes that are one of a kind."""

    def __init__(
        self, settings: Settings, places: Places, memory: Memory, recorded: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._places = places
        self._memory = memory
        self._recorded = recorded
        self.children: dict[str, Child] = {}
        self._syncing: asyncio.Task[None] | None = None
        ports_in_use = self._settle_ports()
        sockets = postgres.make_socket_folder(places.postgres)
        self.postgres = postgres.Server(places.postgres, ports_in_use["postgres"], sockets)
        self.valkey = valkey.Server(places.valkey, ports_in_use["redis"])
        self.simulator_port = ports_in_use["simulator"]
        self.nginx = nginx.Server(
            places.nginx,
            nginx.make_run_folder(),
            places.logs / "nginx-access.log",
            settings.port,
            settings.inner_port,
            settings.edge,
        )
        memory.folders += [str(sockets), str(self.nginx.run)]
        memory.edge_port = settings.port
        memory.edge_url = settings.edge.url(settings.port)
        memory.save(places.memory)
        via = {"postgres": self.postgres.port, "redis": self.valkey.port, **settings.via}
        self.endpoints = fleet.Endpoints(
            replace(self.postgres, port=via["postgres"]), via["redis"], settings.inner_port
        )

    def _settle_ports(self) -> dict[str, int]:
        """Refuse ports that were asked for and are taken; pick the others again if they are."""
        ports.demand(self._settings.port, "PITBOSS_PORT", self._settings.edge.bind)
        ports.demand(self._settings.inner_port, "PITBOSS_INNER_PORT")
        chosen: dict[str, int] = {}
        for part in ("postgres", "redis", "simulator"):
            fixed = self._settings.fixed_ports.get(part)
            if fixed is not None:
                ports.demand(fixed, f"PITBOSS_{part.upper()}_PORT")
            kept = fixed or self._memory.ports.get(part)
            taken = {self._settings.port, self._settings.inner_port, *chosen.values()}
            free = kept is not None and kept not in taken and ports.is_free(kept)
            chosen[part] = kept if free and kept is not None else ports.pick_free(taken)
        self._memory.ports |= chosen
        return chosen

    @property
    def is_migrated(self) -> bool:
        """Tell whether the schema in the data folder is the one in the checkout."""
        return (
            postgres.is_made(self._places.postgres)
            and self._memory.migrated == _digest_migrations()
        )

    async def bring_postgres(self, say: Say) -> None:
        log = self._places.logs / "postgres.log"
        migrated = self.is_migrated
        if await postgres.make(self._places.postgres, log):
            say("postgres data folder made")
        await self._bring("postgres", self.postgres.port, postgres.program(self.postgres), say)
        fresh = await postgres.provide(self.postgres, self._settings.passwords)
        if fresh or not migrated:
            await self.migrate(say)

    async def migrate(self, say: Say) -> None:
        program = fleet.write_migrations(self._settings, self.postgres)
        await programs.finish(program, self._places.logs / "migrations.log")
        self._memory.migrated = _digest_migrations()
        self._memory.save(self._places.memory)
        say("migrations applied")

    async def bring_valkey(self, say: Say) -> None:
        valkey.make(self.valkey)
        await self._bring("redis", self.valkey.port, valkey.program(self.valkey), say)
        self._syncing = asyncio.create_task(valkey.keep_synced(self.valkey))

    async def bring_rabbitmq(self, say: Say) -> None:
        """Start one where the bus is to be on this machine and nothing answers there."""
        port = rabbitmq.loopback_port(self._settings.told.get("PITBOSS_BUS_URL", ""))
        if port is None or await rabbitmq.answers(port):
            return
        ports.demand(port, "PITBOSS_BUS_URL")
        server = rabbitmq.choose(self._places.state / "rabbitmq", port)
        server.folder.mkdir(parents=True, exist_ok=True)
        await self._bring("rabbitmq", port, rabbitmq.program(server), say)

    async def bring_simulator(self, say: Say) -> None:
        program = fleet.write_simulator(self.simulator_port)
        await self._bring("simulator", self.simulator_port, program, say)

    async def bring_nginx(self, traffic: Traffic, say: Say) -> None:
        programs.rotate(self.nginx.access_log)
        traffic.render()
        await self._bring("nginx", self.nginx.edge_port, nginx.program(self.nginx), say)

    async def _bring(self, name: str, port: int, program: Program, say: Say) -> None:
        child = Child(
            Identity(name, name),
            self._places.logs,
            lambda: (port, program),
            self._probe(name),
            lambda _: self._recorded(),
        )
        self.children[name] = child
        child.start()
        if not await child.wait_ready(_RABBITMQ_SECONDS if name == "rabbitmq" else _SECONDS):
            words = programs.last_words(child.log)
            raise Refusal(f"{name} did not start: {words} (see {child.log})")
        say(f"{name} ready on port {port} after {child.uptime:.1f} s")

    def _probe(self, name: str) -> Callable[[int], Awaitable[bool]]:
        async def ask_postgres(_: int) -> bool:
            return await self.postgres.answers()

        async def ask_nginx(_: int) -> bool:
            # The inner door, which is the same process's and never speaks TLS.
            return await probes.answers_200(self.nginx.inner_port, "/nginx-health")

        known: dict[str, Callable[[int], Awaitable[bool]]] = {
            "postgres": ask_postgres,
            "nginx": ask_nginx,
            "redis": probes.redis_pong,
            "rabbitmq": rabbitmq.answers,
            "simulator": _answers_http,
        }
        return known[name]

    async def stop(self, names: tuple[str, ...], say: Say) -> None:
        if "redis" in names and self._syncing is not None:
            self._syncing.cancel()

        async def end(name: str) -> None:
            child = self.children.pop(name, None)
            if child is not None:
                await child.stop()
                say(f"{name} stopped")

        await asyncio.gather(*map(end, names))

    def remove_folders(self) -> None:
        for folder in (self.postgres.sockets, self.nginx.run):
            shutil.rmtree(folder, ignore_errors=True)
            if str(folder) in self._memory.folders:
                self._memory.folders.remove(str(folder))
        self._memory.save(self._places.memory)


def remove_leftover_folders(memory: Memory) -> None:
    """Remove the socket folders of a supervisor that was killed."""
    for folder in map(Path, memory.folders):
        if folder.name.startswith("pitboss-"):
            shutil.rmtree(folder, ignore_errors=True)
    memory.folders.clear()
