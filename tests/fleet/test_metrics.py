"""What the fleet does is counted, and shown at the edge."""

import time
from collections import defaultdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from fleet.console import Console
from fleet.rig import Fleet
from fleetkit.testing import eventually

ROUNDED_MS = 0.051
"""A leg's time is told in tenths of a millisecond."""


async def test_rounds_that_are_played_show_in_the_figures(
    fleet: Fleet, console: Console, table: str
) -> None:
    # However slow the machine is: with all the time it needs, and settled before it goes on.
    started = await console.start(table, wait_ms=30_000)
    played = await console.settled(started.round.round, within_s=60)
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx.AsyncClient(
        base_url=fleet.url, headers=headers, trust_env=False, timeout=30
    ) as edge:

        async def shown(service: str, *endpoints: str) -> dict[str, Any] | None:
            answer = await edge.get(f"/metrics-api/v1/metrics/realtime/{service}")
            if answer.status_code != 200:
                return None
            found: dict[str, Any] = answer.json()
            return found if set(endpoints) <= set(found["endpoints"]) else None

        carried = [f"/{leg.environment.lower()}/start" for leg in played.legs]
        table_service = await eventually(lambda: shown("table-service", *carried), within_s=90)
        assert table_service is not None
        assert table_service["qps"] > 0
        assert table_service["total_requests"] >= len(carried)
        starts = "POST /v1/tables/{table}/rounds"
        assert await eventually(lambda: shown("gateway", starts), within_s=90)

        async def kept() -> bool:
            query = {"service": "table-service", "endpoint": carried[0], "step": "60"}
            answer = await edge.get("/metrics-api/v1/metrics/history", params=query)
            return sum(int(point["total_requests"]) for point in answer.json()["points"]) >= 1

        await eventually(kept, within_s=90)
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
        async with httpx.AsyncClient(
            base_url=fleet.url, headers=headers, trust_env=False, timeout=30
        ) as edge:

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


@pytest.mark.long
async def test_figures_are_within_a_percent_of_what_dealers_were_told(
    fleet: Fleet, console: Console, table: str
) -> None:
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx.AsyncClient(
        base_url=fleet.url, headers=headers, trust_env=False, timeout=30
    ) as edge:

        async def kept(endpoint: str, begins: float, least: int) -> list[dict[str, Any]] | None:
            since = datetime.fromtimestamp(begins, UTC).isoformat()
            query = {"service": "table-service", "endpoint": endpoint, "from": since}
            # A step that no rollup has: of the buckets themselves.
            answer = await edge.get(
                "/metrics-api/v1/metrics/history", params={**query, "step": "3605"}
            )
            points: list[dict[str, Any]] = answer.json()["points"]
            return points if sum(one["total_requests"] for one in points) >= least else None

        async def agree() -> bool:
            begins = (time.time() // 5 + 1) * 5
            await eventually(lambda: time.time() > begins)
            told = defaultdict[str, list[float]](list)
            for _ in range(10):
                opened = await console.opened(table)
                for leg in opened.legs:
                    told[f"/{leg.environment.lower()}/start"].append(leg.last.latency_ms or 0.0)
                answer = await console.cancel(opened.round, wait_ms=20_000)
                assert answer.status == 200, answer.content
            for endpoint, latencies in told.items():
                all_kept = partial(kept, endpoint, begins, len(latencies))
                points = await eventually(all_kept, within_s=60)
                assert points is not None
                # Where somebody else started a round meanwhile, it is all done again.
                assert [one["total_requests"] for one in points] == [len(latencies)]
                right = sorted(latencies)[int(0.95 * (len(latencies) - 1))]
                assert abs(points[0]["p95_latency_ms"] - right) <= 0.01 * right + ROUNDED_MS
                average = sum(latencies) / len(latencies)
                assert abs(points[0]["avg_latency_ms"] - average) <= ROUNDED_MS
            return True

        await eventually(agree, within_s=120)
