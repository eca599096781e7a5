"""Batches on several gateways: followed, cancelled and taken over by another than their own."""

import asyncio
import os
import signal
import sys
from typing import Any

import httpx
import pytest

from fleetkit.testing import eventually, free_port
from integration.gateway.batching import (
    ask,
    furnish,
    hang,
    lines,
    look,
    names,
    outcomes,
    over,
    second_gateway,
    settle,
)
from integration.gateway.conftest import ADMIN_KEY, Studio


async def test_one_that_hangs_is_pending_and_delays_no_other(studio: Studio) -> None:
    """Also with one place only, which it holds for `wait_ms` and no longer."""
    await furnish(studio, 50, start=3000)
    hang(studio, "T0007")
    body = {
        "command": "start",
        "tables": names(50),
        "max_concurrent": 5,
        "timeout_ms": 12_000,
        "wait_ms": 500,
        "deadline_ms": 30_000,
    }
    async with (
        second_gateway(studio) as client,
        client.stream(
            "POST", "/v1/batches", json=body, headers={"accept": "text/event-stream"}
        ) as response,
    ):
        assert response.status_code == 200
        batch = response.headers["location"].removeprefix("/v1/batches/")
        told: list[str] = []
        async for event, data in lines(response):
            if event == "summary":
                break
            told.append(data["table"])
            assert (data["outcome"], data["batch"]) == ("complete", batch)
            if len(told) == 49:
                # All others are through while it is waited for.
                standing = await look(studio, batch)
                assert (standing["state"], standing["progress"]["running"]) == ("running", 1)
    assert sorted(told) == sorted(set(names(50)) - {"T0007"})
    assert data["state"] == "timed_out"
    assert data["progress"]["complete"] == 49
    assert data["tables"] == {"pending": ["T0007"]}
    found = await look(studio, batch)
    assert found["tables"][7]["outcome"] == "pending"
    assert found["tables"][7]["begun"]
    assert "goes on" in found["tables"][7]["detail"]
    await settle(studio)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_cancelled_batch_begins_nothing_more(studio: Studio, method: str) -> None:
    await furnish(studio, 6)
    for table in names(6):
        studio.fault("latency", "start", table=table, ms=3000, count=None)
    async with second_gateway(studio) as client:
        asked = await ask(studio, "start", names(6), max_concurrent=2, wait_ms=30_000)

        async def begun() -> bool:
            return bool((await look(studio, asked["batch"]))["progress"]["running"] == 2)

        await eventually(begun)
        path = f"/v1/batches/{asked['batch']}"
        # Told to a gateway that does not own it.
        answer = await client.request(method, path + ("/cancel" if method == "POST" else ""))
    assert answer.status_code == 200
    found = await over(studio, asked["batch"])
    assert found["state"] == "cancelled"
    assert [table["outcome"] for table in found["tables"]] == ["complete"] * 2 + ["not_begun"] * 4
    assert len(await studio.rows("SELECT * FROM commands")) == 2
    again = await studio.client.request(method, path + ("/cancel" if method == "POST" else ""))
    assert again.json() == found


async def test_a_gateway_that_stops_leaves_its_batches_to_another(studio: Studio) -> None:
    # With a short lease, what was written and not handed over is soon taken up.
    await furnish(studio, 12, start=3000)
    for table in names(12):
        studio.fault("latency", "start", table=table, ms=300, count=None)
    async with second_gateway(studio) as client:
        body = {"command": "start", "tables": names(12), "max_concurrent": 2, "deadline_ms": 60_000}
        asked = (await client.post("/v1/batches", json={**body, "timeout_ms": 60_000})).json()

        async def partly() -> bool:
            return bool((await look(studio, asked["batch"]))["progress"]["complete"] >= 2)

        await eventually(partly, within_s=20)
    found = await over(studio, asked["batch"])
    assert (found["state"], outcomes(found)) == ("finished", {"complete"})
    rows = await studio.rows("SELECT * FROM commands")
    assert sorted(row["table_id"] for row in rows) == names(12)


async def test_a_gateway_that_was_killed_is_taken_over_from(
    studio: Studio, database_url_as: Any, redis_url: str
) -> None:
    # With a short lease, what was written and not handed over is soon taken up.
    await furnish(studio, 12, start=3000)
    for table in names(12):
        studio.fault("latency", "start", table=table, ms=400, count=None)
    bind = f"127.0.0.1:{free_port()}"
    told = {
        "PITBOSS_DATABASE_URL": database_url_as("pitboss_gateway"),
        "PITBOSS_REDIS_URL": redis_url,
        "PITBOSS_INNER_URL": studio.inner_url,
        "PITBOSS_INNER_KEY": "inner-key-of-the-tests",
        "PITBOSS_ADMIN_KEY": ADMIN_KEY,
        "PITBOSS_INSTANCE": "gateway-9",
        "PITBOSS_BIND": bind,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env={**os.environ, **told}, stdout=asyncio.subprocess.PIPE
    )
    try:
        headers = dict(studio.client.headers)
        async with httpx.AsyncClient(
            base_url=f"http://{bind}", headers=headers, timeout=30
        ) as client:

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await eventually(ready, within_s=90)
            body = {
                "command": "start",
                "tables": names(12),
                "max_concurrent": 2,
                "deadline_ms": 60_000,
            }
            asked = (await client.post("/v1/batches", json={**body, "timeout_ms": 60_000})).json()

            async def partly() -> bool:
                progress = (await look(studio, asked["batch"]))["progress"]
                return bool(progress["complete"] >= 2 and progress["running"])

            await eventually(partly, within_s=20)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    left = await look(studio, asked["batch"])
    assert left["state"] == "running"
    assert left["progress"]["waiting"]
    found = await over(studio, asked["batch"])
    assert found["state"] == "finished"
    assert outcomes(found) == {"complete"}
    rows = await studio.rows("SELECT * FROM commands")
    assert sorted(row["table_id"] for row in rows) == names(12)
    assert {row["id"] for row in rows} == {table["command"] for table in found["tables"]}

    async def missed() -> list[str]:
        left = "SELECT data FROM events WHERE type = 'service.left'"
        return [row["data"]["reason"] for row in await studio.rows(left)]

    # It could not say that it goes: it is missed, once, when its entry has run out.
    assert await eventually(missed, within_s=60) == ["lost"]
    shown = (await studio.client.get("/v1/services")).json()["services"]
    assert "gateway-9" not in {one["instance"] for one in shown}
