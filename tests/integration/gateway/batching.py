"""Many tables, and batches asked for on them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fleetkit.testing import eventually, serving
from gateway.app import create
from integration.gateway.conftest import Studio


def names(count: int) -> list[str]:
    return [f"T{number:04}" for number in range(count)]


async def furnish(studio: Studio, count: int, environment: str = "PRD", **timeouts: int) -> None:
    """Give the studio so many tables more, each with a target of its own."""
    world = studio.world(environment).lower()
    document = {
        "environment": environment,
        "base_url": f"http://127.0.0.1:{studio.sim.port}/{world}/v2/service",
        "primary": True,
        "timeouts_ms": {"connect": 1000, "start": 20_000, "get": 1000, **timeouts},
        "tables": [{"id": name, "type": "speed_roulette"} for name in names(count)],
    }
    answer = await studio.client.put(f"/v1/config/environments/{environment}", json=document)
    assert answer.is_success, answer.text


async def ask(studio: Studio, command: str, tables: list[str], **body: Any) -> dict[str, Any]:
    usual = {"timeout_ms": 60_000, **({"deadline_ms": 60_000} if command == "start" else {})}
    answer = await studio.post(
        "/v1/batches", {"command": command, "tables": tables, **usual, **body}
    )
    assert answer.status_code == 202, answer.text
    asked: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/batches/{asked['batch']}"
    return asked


async def look(studio: Studio, batch: str) -> dict[str, Any]:
    found: dict[str, Any] = (await studio.client.get(f"/v1/batches/{batch}")).json()
    return found


async def over(studio: Studio, batch: str, *, within_s: float = 240) -> dict[str, Any]:
    async def ended() -> bool:
        rows = await studio.rows("SELECT finished_at FROM batches WHERE id = $1", batch)
        return rows[0]["finished_at"] is not None

    await eventually(ended, within_s=within_s)
    return await look(studio, batch)


async def run(studio: Studio, command: str, tables: list[str], **body: Any) -> dict[str, Any]:
    return await over(studio, (await ask(studio, command, tables, **body))["batch"])


def outcomes(batch: dict[str, Any]) -> set[str]:
    return {table["outcome"] for table in batch["tables"]}


def hang(studio: Studio, table: str) -> None:
    studio.fault("hang", "start", table=table, count=None)


async def settle(studio: Studio) -> None:
    """Let what hangs come to its end, before the replicas are closed under it."""
    studio.heal()

    async def done() -> bool:
        left = "SELECT FROM deliveries WHERE settled_at IS NULL AND NOT scheduled"
        return not await studio.rows(left)

    await eventually(done, within_s=60)


async def lines(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    event = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


@asynccontextmanager
async def second_gateway(studio: Studio) -> AsyncIterator[httpx.AsyncClient]:
    """Run another replica behind a socket of its own."""
    assert studio.settings is not None
    settings = studio.settings.model_copy(update={"instance": "gateway-2"})
    async with (
        serving(create(settings)) as url,
        httpx.AsyncClient(base_url=url, headers=dict(studio.client.headers), timeout=90) as client,
    ):
        yield client
