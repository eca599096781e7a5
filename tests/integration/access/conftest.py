"""A gateway in this process with nobody behind it, and keys of every kind."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from fleetkit.postgres import Connection, connect, set_json_codecs
from fleetkit.testing import calling, free_port
from gateway.app import create
from gateway.settings import Settings

ADMIN_KEY = "admin-key-of-the-tests"
TABLES = {"PRD": ("ARO-001", "ARO-002"), "CIT": ("ARO-001",)}
names = count(1)


class Gate:
    """Gateways on one database, and what may be asked of them."""

    def __init__(self, stack: AsyncExitStack, conn: Connection, settings: dict[str, Any]) -> None:
        self.conn = conn
        self._stack = stack
        self._settings = settings

    async def another(self, **settings: object) -> httpx.AsyncClient:
        """Open one more gateway; give a client without a key."""
        number = next(names)
        told = {**self._settings, "instance": f"gateway-{number}", **settings}
        app = create(Settings.model_validate(told))
        return await self._stack.enter_async_context(calling(app))

    async def key(self, role: str, **limits: Any) -> dict[str, str]:
        """Make a key; give the header that shows it."""
        return as_key((await self.made(role, **limits))["key"])

    async def made(self, role: str, **limits: Any) -> dict[str, Any]:
        body = {"name": f"{role}-{next(names)}", "role": role, **limits}
        answer = await self.client.post("/v1/keys", json=body, headers=ADMIN)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def open(self) -> None:
        self.client = await self.another()

    async def configure(self) -> None:
        for environment, codes in TABLES.items():
            document = {
                "environment": environment,
                "base_url": f"http://127.0.0.1:{free_port()}",
                "primary": environment == "PRD",
                "tables": [{"id": code, "type": "speed_roulette"} for code in codes],
            }
            url = f"/v1/config/environments/{environment}"
            answer = await self.client.put(url, json=document, headers=ADMIN)
            assert answer.is_success, answer.text

    async def start(self, table: str = "ARO-001", **body: object) -> str:
        """Begin a round that nobody carries out; give its id."""
        body = {"wait_ms": 0, "deadline_ms": 3_600_000, **body}
        answer = await self.client.post(f"/v1/tables/{table}/rounds", json=body, headers=ADMIN)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["round"])


def as_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


ADMIN = as_key(ADMIN_KEY)


@pytest.fixture
async def make_gate(
    database_url_as: Callable[[str], str],
) -> AsyncIterator[Callable[[str], Any]]:
    async with AsyncExitStack() as stack:

        async def make(redis_url: str) -> Gate:
            conn = await connect(database_url_as("pitboss_owner"), name="tests")
            stack.push_async_callback(conn.close, timeout=5)
            await set_json_codecs(conn)
            settings = {
                "database_url": SecretStr(database_url_as("pitboss_gateway")),
                "redis_url": SecretStr(redis_url),
                "inner_url": f"http://127.0.0.1:{free_port()}",
                "inner_key": SecretStr("inner-key-of-the-tests"),
                "admin_key": SecretStr(ADMIN_KEY),
            }
            gate = Gate(stack, conn, settings)
            await gate.open()
            return gate

        yield make


@pytest.fixture
async def gate(make_gate: Callable[[str], Any], redis_url: str) -> Gate:
    made: Gate = await make_gate(redis_url)
    return made
