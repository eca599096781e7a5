"""What the fleet does is counted, and shown at the edge."""

from typing import Any

import httpx

from fleet.console import Console
from fleet.rig import Fleet
from fleetkit.testing import eventually


async def test_rounds_that_are_played_show_in_the_figures(
    fleet: Fleet, console: Console, table: str
) -> None:
    # However slow the machine is: with all the time it needs, and settled before it goes on.
    started = await console.start(table, wait_ms=30_000)
    played = await console.settled(started.round.round, within_s=60)
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx.AsyncClient(base_url=fleet.url, headers=headers, trust_env=False) as edge:

        async def shown(service: str, *endpoints: str) -> dict[str, Any] | None:
            answer = await edge.get(f"/metrics-api/v1/metrics/realtime/{service}")
            if answer.status_code != 200:
                return None
            found: dict[str, Any] = answer.json()
            return found if set(endpoints) <= set(found["endpoints"]) else None

        carried = [f"/{leg.environment.lower()}/start" for leg in played.legs]
        table_service = await eventually(lambda: shown("table-service", *carried), within_s=40)
        assert table_service is not None
        assert table_service["qps"] > 0
        assert table_service["total_requests"] >= len(carried)
        starts = "POST /v1/tables/{table}/rounds"
        assert await eventually(lambda: shown("gateway", starts), within_s=40)

        async def kept() -> bool:
            query = {"service": "table-service", "endpoint": carried[0], "step": "60"}
            answer = await edge.get("/metrics-api/v1/metrics/history", params=query)
            return sum(int(point["total_requests"]) for point in answer.json()["points"]) >= 1

        await eventually(kept, within_s=40)
        assert (await edge.get("/metrics-api/metrics")).status_code == 404
        edge.headers.pop("authorization")
        stranger = await edge.get("/metrics-api/v1/alerts")
    assert (stranger.status_code, stranger.json()["code"]) == (401, "no_key")


async def test_another_instance_goes_on_when_the_one_that_counts_is_killed(
    fleet: Fleet, console: Console, table: str
) -> None:
    headers = {"authorization": f"Bearer {fleet.key}"}
    said = await fleet.manage("scale", "metrics-service=2")
    assert said.code == 0, said
    try:
        async with httpx.AsyncClient(base_url=fleet.url, headers=headers, trust_env=False) as edge:

            async def kept() -> int:
                query = {"service": "table-service", "endpoint": "/prd/start"}
                answer = await edge.get("/metrics-api/v1/metrics/history", params=query)
                assert answer.status_code == 200, answer.content
                return sum(int(point["total_requests"]) for point in answer.json()["points"])

            before = await kept()
            (await fleet.pool("metrics-service"))[0].kill()
            started = await console.start(table, wait_ms=30_000)
            await console.settled(started.round.round, within_s=60)

            async def more_is_kept() -> bool:
                return await kept() > before

            await eventually(more_is_kept, within_s=60)
    finally:
        said = await fleet.manage("scale", "metrics-service=1")
        assert said.code == 0, said
    await fleet.whole()
