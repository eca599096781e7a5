"""A ledger that events are written to, and gateways on real sockets that tell them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from fleetkit.postgres import Connection, connect, set_json_codecs
from fleetkit.testing import eventually, serving
from gateway.app import create
from gateway.settings import Settings
from ledger.store import events
from listening import Listening

ADMIN_KEY = "admin-key-of-the-tests"


class Newsroom:
    """A ledger that events are written to, and gateways that tell them."""

    def __init__(self, conn: Connection, url: Callable[[str], str], redis_url: str) -> None:
        self.conn = conn
        self.redis_url = redis_url
        self.apps: dict[str, Any] = {}
        self._url = url
        self._count = 0

    async def connect(self) -> Connection:
        conn = await connect(self._url("pitboss_owner"), name="tests")
        await set_json_codecs(conn)
        return conn

    async def write(self, count: int = 1, *, conn: Connection | None = None, **of: Any) -> None:
        of = {"type": "config.changed", **of}
        extra = of.pop("data", {})
        for _ in range(count):
            self._count += 1
            data = {"number": self._count, **extra}
            await events.publish(conn or self.conn, **of, data=data)

    async def told(self) -> list[int]:
        """Give the numbers of all events, in the order of the feed."""
        rows = await self.conn.fetch(
            """SELECT (e.data ->> 'number')::int FROM feed f JOIN events e ON e.id = f.event_id
               WHERE e.data ? 'number' ORDER BY f.seq"""
        )
        return [row[0] for row in rows]

    async def all_told(self) -> list[int]:
        """Wait until the feed has what was written."""

        async def told() -> list[int]:
            found = await self.told()
            return found if len(found) == self._count else []

        return await eventually(told, within_s=20)

    @asynccontextmanager
    async def gateway(self, name: str = "gateway-1", **of: Any) -> AsyncIterator[httpx.AsyncClient]:
        settings = Settings.model_validate(
            {
                "database_url": SecretStr(self._url("pitboss_gateway")),
                "redis_url": SecretStr(of.get("redis_url", self.redis_url)),
                "inner_key": SecretStr("inner-key-of-the-tests"),
                "admin_key": SecretStr(ADMIN_KEY),
                "instance": name,
            }
        )
        app = self.apps[name] = create(settings)
        async with serving(app) as url:
            headers = {"authorization": f"Bearer {ADMIN_KEY}"}
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(
                base_url=url, headers=headers, timeout=20, limits=limits
            ) as client:
                yield client


def numbers(listening: Listening) -> list[int]:
    return [one["data"]["number"] for one in listening.events if "number" in one["data"]]
