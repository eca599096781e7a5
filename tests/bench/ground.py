"""The ground of a run: a fleet of its own, and a Table API that costs next to nothing."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from chaos.ground import LOOPBACK, Process, clean_environment, open_folder
from chaos.ground import Ground as Fleet
from fleet.tableapi import TableApi
from fleetkit.testing import eventually
from native import ports
from native.places import Places
from native.refusals import Refusal
from native.settings import PASSWORDS

ENVIRONMENTS: Final = ("CIT", "UAT", "QAT", "STG", "PRD")
FOLDER: Final = "pitboss-bench-"
TESTS: Final = Path(__file__).resolve().parents[1]
Target = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the edge answered."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """What scenarios stand on; ours alone, so each may do with it what it likes."""

    fleet: Fleet
    session: aiohttp.ClientSession  # to the edge, with the admin's key
    stub_port: int
    stub_pid: int
    say: Say

    @property
    def url(self) -> str:
        return self.fleet.url

    @property
    def key(self) -> str:
        return self.fleet.key

    @property
    def database_url(self) -> str:
        return self.fleet.database_url

    @property
    def settings(self) -> Mapping[str, str]:
        """What the fleet was told: ports, keys, passwords."""
        return self.fleet.settings

    async def manage(self, *arguments: str) -> str:
        """Run a verb on this fleet: `manage("scale", "gateway=2")`."""
        return await self.fleet.manage(*arguments)

    async def processes(self) -> list[Process]:
        return await self.fleet.processes()

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        sent = None if body is None else orjson.dumps(body)
        async with self.session.request(method, self.url + path, data=sent) as answer:
            text = await answer.read()
        return Answer(answer.status, orjson.loads(text) if text else {})

    def table_api(self, environment: str) -> str:
        return f"http://{LOOPBACK}:{self.stub_port}/{environment.lower()}/v2/service"

    async def behave(self, *environments: str, **manners: object) -> None:
        """Change how Table APIs behave: mode (answer, hang, reset), delay_ms, bet_period_s."""
        for environment in environments or ENVIRONMENTS:
            await self._control(f"{environment.lower()}", manners)

    async def late_ms(self) -> list[float]:
        """Give how late each bet-stop came to the Table APIs since this was last asked."""
        late: list[float] = await self._control("late", None)
        return late

    async def calls(self) -> int:
        """Count the calls that came to the Table APIs."""
        count: int = await self._control("calls", None)
        return count

    async def _control(self, path: str, body: object) -> Any:
        url = f"http://{LOOPBACK}:{self.stub_port}/control/{path}"
        async with self.session.post(url, data=orjson.dumps(body)) as answer:
            return orjson.loads(await answer.read())

    async def lay(self, targets: Sequence[Target], *environments: str, **document: object) -> None:
        """Configure these targets, and no others, in these environments or in all."""
        for environment in environments or ENVIRONMENTS:
            path = f"/v1/config/environments/{environment}"
            answer = await self.ask(
                "PUT",
                path,
                {
                    "environment": environment,
                    "primary": environment == "PRD",
                    "base_url": self.table_api(environment),
                    "tables": list(targets),
                    **document,
                },
            )
            if answer.status not in {200, 201}:
                raise Refusal(f"{environment} could not be configured: {answer.body}")
        await eventually(self._in_force, within_s=20)

    async def _in_force(self) -> bool:
        status = await self.ask("GET", "/v1/config/status")
        return all(one["in_force"] is not False for one in status.body["environments"])


def tables(prefix: str, count: int, **options: object) -> list[Target]:
    """Name so many roulette tables, one target each."""
    names = [f"{prefix}-{number:04}" for number in range(count)]
    return [{"id": name, "table": name, "type": "speed_roulette", **options} for name in names]


@asynccontextmanager
async def prepared(say: Say) -> AsyncIterator[Ground]:
    """Start a fleet and a stub; take both down in the end."""
    parts = ("PORT", "INNER_PORT", "POSTGRES_PORT", "REDIS_PORT", "SIMULATOR_PORT")
    taken: dict[str, int] = {}
    for part in (*parts, "STUB"):
        taken[part] = ports.pick_free(taken.values())
    stub_port = taken.pop("STUB")
    async with AsyncExitStack() as stack:
        state = stack.enter_context(open_folder(FOLDER)) / "state"
        settings = _settle(state, taken)
        simulator = TableApi(taken["SIMULATOR_PORT"])
        places = Places(state)
        fleet = Fleet(places, settings, ENVIRONMENTS, {}, simulator, taken["REDIS_PORT"])
        stub_pid = await stack.enter_async_context(_stub(stub_port))
        say("starting a fleet of its own ...")
        starting = asyncio.ensure_future(fleet.manage("up"))
        stack.push_async_callback(_take_down, fleet, starting)
        await asyncio.shield(starting)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"authorization": f"Bearer {fleet.key}", "content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=60),
        )
        await stack.enter_async_context(session)
        yield Ground(fleet, session, stub_port, stub_pid, say)


async def _take_down(fleet: Fleet, starting: "asyncio.Future[str]") -> None:
    """Let it finish starting first: what is half there can't be told to go."""
    await asyncio.wait([starting])
    await fleet.manage("down")


def make_secrets() -> dict[str, str]:
    """Make what a fleet needs of them, so that none are written into the checkout's .env."""
    names = ("PITBOSS_ADMIN_KEY", "PITBOSS_INNER_KEY", *PASSWORDS.values())
    return {name: f"bench-{secrets.token_hex(12)}" for name in names}


def _settle(state: Path, taken: Mapping[str, int]) -> dict[str, str]:
    return {
        **make_secrets(),
        **{f"PITBOSS_{part}": str(port) for part, port in taken.items()},
        "PITBOSS_STATE_DIR": str(state),
        "PITBOSS_ENVIRONMENTS": ",".join(ENVIRONMENTS),
        "PITBOSS_EDGE_RATE": "100000",
        "PITBOSS_MODE": "native",
    }


@asynccontextmanager
async def _stub(port: int) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.stub", str(port)),
        env=clean_environment() | {"PYTHONPATH": str(TESTS)},
        start_new_session=True,  # Ctrl-C is for us; the stub goes after the fleet
    )

    async def is_open() -> bool:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
        return True

    try:
        await eventually(is_open, within_s=10)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
