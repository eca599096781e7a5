"""The ground of a run: a fleet of its own, every link of which we hold in our hands."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx

from chaos.proxy import Link, opened
from fleet.tableapi import TableApi
from fleetkit.testing import eventually
from native import control, ports
from native.places import Memory, Places
from native.refusals import Refusal
from native.settings import PASSWORDS

LOOPBACK: Final = "127.0.0.1"
GAMES: Final = ("speed_roulette", "vip_roulette", "sicbo", "baccarat")
_CALL_MS: Final = 2000
_VERB_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the fleet, as the supervisor sees it at this moment."""

    service: str
    instance: str
    pid: int | None
    port: int
    state: str


@dataclass(frozen=True, slots=True)
class Ground:
    """The fleet, its links by name, and the Table APIs."""

    places: Places
    settings: dict[str, str]
    environments: tuple[str, ...]
    links: dict[str, Link]
    tables: TableApi
    redis_port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.settings['PITBOSS_PORT']}"

    @property
    def key(self) -> str:
        return self.settings["PITBOSS_ADMIN_KEY"]

    @property
    def database_url(self) -> str:
        password = self.settings["PITBOSS_OWNER_PASSWORD"]
        port = self.settings["PITBOSS_POSTGRES_PORT"]
        return f"postgresql://pitboss_owner:{password}@{LOOPBACK}:{port}/pitboss"

    async def manage(self, *arguments: str) -> str:
        """Run a verb; refuse with its words if it fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "native", *arguments),
            env=clean_environment() | self.settings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, and then it is still needed
        )
        out, _ = await asyncio.wait_for(process.communicate(), _VERB_S)
        if process.returncode:
            raise Refusal(f"{arguments[0]} failed: {out.decode()[-500:].strip()}")
        return out.decode()

    async def processes(self) -> list[Process]:
        """Ask the supervisor, which looks at each at this moment."""
        socket = Memory.load(self.places.memory).control
        if socket is None:
            raise Refusal("The supervisor of this run is gone.")
        answer = await asyncio.to_thread(control.ask, Path(socket), {"verb": "status"})
        return [
            Process(one["service"], one["instance"], one["pid"], one["port"], one["state"])
            for one in answer["services"]
        ]

    async def whole(self, within_s: float = 120.0) -> None:
        """Wait until every process is ready."""

        async def all_ready() -> bool:
            return all(one.state == "ready" for one in await self.processes())

        await eventually(all_ready, within_s=within_s)


def clean_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}


def _settle(
    state: Path, environments: Sequence[str], taken: dict[str, int], *, gateways: int, replicas: int
) -> dict[str, str]:
    names = ("PITBOSS_ADMIN_KEY", "PITBOSS_INNER_KEY", *PASSWORDS.values())
    return {
        **{name: f"chaos-{secrets.token_hex(12)}" for name in names},
        **{f"PITBOSS_{part}": str(port) for part, port in taken.items()},
        "PITBOSS_STATE_DIR": str(state),
        "PITBOSS_ENVIRONMENTS": ",".join(environments),
        "PITBOSS_GATEWAYS": str(gateways),
        "PITBOSS_REPLICAS": str(replicas),
        "PITBOSS_EDGE_RATE": "100000",
        "PITBOSS_MODE": "native",
    }


@contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Lend a folder that is open to all, since Postgres may run under an account of its own."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def prepared(
    environments: Sequence[str], tables: Sequence[str], *, gateways: int = 2, replicas: int = 2
) -> AsyncIterator[Ground]:
    """Start a fleet with a link at each place we can hurt; take all of it down in the end."""
    parts = ("PORT", "INNER_PORT", "POSTGRES_PORT", "REDIS_PORT", "SIMULATOR_PORT")
    taken: dict[str, int] = {}
    for part in parts:
        taken[part] = ports.pick_free(taken.values())
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder("pitboss-chaos-"))
        links = {
            "postgres": await stack.enter_async_context(opened(taken["POSTGRES_PORT"])),
            "redis": await stack.enter_async_context(opened(taken["REDIS_PORT"])),
        }
        for place, name in enumerate(environments):
            link = opened(taken["SIMULATOR_PORT"], Random(place))
            links[f"table-api-{name.lower()}"] = await stack.enter_async_context(link)
        taken |= {"POSTGRES_VIA": links["postgres"].port, "REDIS_VIA": links["redis"].port}
        state = folder / "state"
        settings = _settle(state, environments, taken, gateways=gateways, replicas=replicas)
        simulator = TableApi(taken["SIMULATOR_PORT"])
        ground = Ground(
            Places(state), settings, tuple(environments), links, simulator, taken["REDIS_PORT"]
        )
        stack.push_async_callback(_take_down, ground)
        await ground.manage("up")
        await _furnish(ground, tables)
        yield ground


async def _take_down(ground: Ground) -> None:
    for link in ground.links.values():
        link.lift()
    await ground.manage("down")


async def _furnish(ground: Ground, tables: Sequence[str]) -> None:
    """Configure the tables everywhere, each environment behind its own link."""
    headers = {"authorization": f"Bearer {ground.key}"}
    async with httpx.AsyncClient(
        base_url=ground.url, headers=headers, trust_env=False, timeout=30
    ) as client:
        for environment in ground.environments:
            answer = await client.put(
                f"/v1/config/environments/{environment}",
                json=_document(ground, environment, tables),
            )
            if answer.is_error:
                raise Refusal(f"{environment} could not be configured: {answer.text[:300]}")
    for environment in ground.environments:
        for table in tables:
            await asyncio.to_thread(
                ground.tables.arrange, environment, table, game_type=game_of(table)
            )


def game_of(table: str) -> str:
    return GAMES[int(table.rpartition("-")[2]) % len(GAMES)]


def _document(ground: Ground, environment: str, tables: Sequence[str]) -> dict[str, Any]:
    port = ground.links[f"table-api-{environment.lower()}"].port
    calls = ("start", "bet-stop", "deal", "finish", "cancel")
    return {
        "environment": environment,
        "primary": environment == "PRD",
        "base_url": f"http://{LOOPBACK}:{port}/{environment.lower()}/v2/service",
        "timeouts_ms": dict.fromkeys(calls, _CALL_MS),
        "tables": [{"id": name, "table": name, "type": game_of(name)} for name in tables],
    }
