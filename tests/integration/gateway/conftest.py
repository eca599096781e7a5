"""A gateway in this process, and a real replica for each environment behind a door of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from fleetkit.postgres import Connection, connect, set_json_codecs
from fleetkit.testing import calling, serving
from gateway.app import create as create_gateway
from gateway.settings import Settings as GatewaySettings
from integration.gateway.newsroom import Newsroom
from simulator.testing import Simulator, Target, run_simulator
from table_service.app import create as create_replica
from table_service.settings import Settings as ReplicaSettings

INNER_KEY = "inner-key-of-the-tests"
ADMIN_KEY = "admin-key-of-the-tests"
TABLE = "ARO-001"
numbers = count(1)


class InnerDoor:
    """Passes `/<environment>/...` on to that environment's replica."""

    def __init__(self) -> None:
        self.pools: dict[str, tuple[ASGIApp, dict[str, Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        _, environment, path = scope["path"].split("/", 2)
        if environment not in self.pools:
            start = {"type": "http.response.start", "status": 404, "headers": []}
            await send(start)
            await send({"type": "http.response.body", "body": b'{"code":"no_pool"}'})
            return
        app, state = self.pools[environment]
        await app({**scope, "path": f"/{path}", "state": dict(state)}, receive, send)


class Studio:
    """One table mirrored in PRD (required) and CIT (best effort), and what can be done to it."""

    def __init__(
        self, sim: Simulator, conn: Connection, door: InnerDoor, client: httpx.AsyncClient
    ) -> None:
        self.sim = sim
        self.conn = conn
        self.client = client
        self.door = door
        self.inner_url = ""
        self.settings: GatewaySettings | None = None
        self.number = next(numbers)

    def world(self, environment: str) -> str:
        return f"{environment}{self.number}"

    async def configure(self, *environments: str, **options: Any) -> None:
        for environment in environments or ("PRD", "CIT"):
            world = self.world(environment).lower()
            base = options.get("base_url") or f"http://127.0.0.1:{self.sim.port}/{world}/v2/service"
            document = {
                "environment": environment,
                "base_url": base,
                "primary": environment == "PRD",
                "timeouts_ms": {"connect": 2000, "start": 2000, "get": 2000},
                "tables": options.get("tables") or [{"id": TABLE, "type": "speed_roulette"}],
            }
            url = f"/v1/config/environments/{environment}"
            answer = await self.client.put(url, json=document)
            assert answer.is_success, answer.text

    async def post(
        self, path: str, body: object = None, *, key: str | None = None
    ) -> httpx.Response:
        headers = {"idempotency-key": key} if key else {}
        return await self.client.post(path, json=body or {}, headers=headers)

    async def ask(self, command: str, body: object = None, **options: Any) -> httpx.Response:
        return await self.post(f"/v1/tables/{TABLE}/{command}", body, **options)

    async def start(self, **body: object) -> dict[str, Any]:
        started: dict[str, Any] = (await self.ask("rounds", body)).json()
        return started

    async def readiness(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/tables/{TABLE}")).json()["readiness"]
        return found

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.conn.fetch(statement, *values)]

    async def shown(self, command: str) -> dict[str, str]:
        """Give the states of a command's deliveries by environment."""
        rows = await self.rows("SELECT * FROM deliveries WHERE command_id = $1", command)
        return {row["environment"]: row["state"] for row in rows}

    def fault(self, kind: str, operation: str, environment: str = "PRD", **fields: Any) -> None:
        world = self.world(environment)
        fields = {"count": 1, "table": TABLE, **fields}
        self.sim.add_fault(kind, environment=world, operation=operation, **fields)

    def heal(self) -> None:
        for environment in ("PRD", "CIT"):
            self.sim.control("DELETE", f"faults?environment={self.world(environment)}")

    def effects(self, operation: str, environment: str = "PRD") -> list[dict[str, Any]]:
        found = self.sim.effects(environment=self.world(environment), table=TABLE)
        return [each for each in found if each["operation"] == operation]

    def at_table(self, environment: str = "PRD") -> Target:
        """Sit down at the table beside us, as somebody else who may use it."""
        target = Target(self.sim.port, self.world(environment), TABLE)
        target.open_session()
        return target


@pytest.fixture(scope="session")
def sim() -> Iterator[Simulator]:
    with run_simulator("--seed", "12", "--bet-period", "60") as running:
        yield running


@asynccontextmanager
async def _replica(environment: str, url: str, redis: str) -> AsyncIterator[tuple[Any, Any]]:
    app = create_replica(
        ReplicaSettings.model_validate(
            {
                "database_url": SecretStr(url),
                "redis_url": SecretStr(redis),
                "inner_key": SecretStr(INNER_KEY),
                "environment": environment,
                "instance": f"table-service-{environment.lower()}-1",
            }
        )
    )
    async with app.router.lifespan_context(app) as state:
        yield app, state


@pytest.fixture
def bus_url() -> str:
    """Give where the bus is; at the test's Redis unless a module says otherwise."""
    return ""


@pytest.fixture
async def studio(
    sim: Simulator, database_url_as: Callable[[str], str], redis_url: str, bus_url: str
) -> AsyncIterator[Studio]:
    async with AsyncExitStack() as stack:
        conn = await connect(database_url_as("pitboss_owner"), name="tests")
        stack.push_async_callback(conn.close, timeout=5)
        await set_json_codecs(conn)
        door = InnerDoor()
        inner_url = await stack.enter_async_context(serving(door))
        settings = GatewaySettings.model_validate(
            {
                "database_url": SecretStr(database_url_as("pitboss_gateway")),
                "redis_url": SecretStr(redis_url),
                "bus_url": SecretStr(bus_url),
                "inner_url": inner_url,
                "inner_key": SecretStr(INNER_KEY),
                "admin_key": SecretStr(ADMIN_KEY),
                "instance": "gateway-1",
            }
        )
        client = await stack.enter_async_context(calling(create_gateway(settings)))
        client.headers["authorization"] = f"Bearer {ADMIN_KEY}"
        client.timeout = httpx.Timeout(40)
        made = Studio(sim, conn, door, client)
        made.inner_url = inner_url
        made.settings = settings
        await made.configure()
        for environment in ("PRD", "CIT"):
            url = database_url_as("pitboss_table_service")
            replica = await stack.enter_async_context(_replica(environment, url, redis_url))
            door.pools[environment.lower()] = replica
        yield made
        made.heal()


@pytest.fixture
async def newsroom(
    database_url_as: Callable[[str], str], redis_url: str
) -> AsyncIterator[Newsroom]:
    async with AsyncExitStack() as stack:
        conn = await connect(database_url_as("pitboss_owner"), name="tests")
        stack.push_async_callback(conn.close, timeout=5)
        await set_json_codecs(conn)
        yield Newsroom(conn, database_url_as, redis_url)
