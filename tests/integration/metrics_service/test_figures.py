import random
from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from fleetkit.telemetry import METRICS, Reporter
from fleetkit.testing import eventually
from integration.metrics_service.conftest import Floor, entry


async def test_what_is_published_is_shown_now_and_kept(floor: Floor, redis_url: str) -> None:
    await floor.publish(
        [
            entry(response_time_ms=float(n), status_code=500 if n > 95 else 200)
            for n in range(1, 101)
        ]
    )
    async with floor.running() as client:

        async def counted() -> bool:
            answer = await client.get("/v1/metrics/realtime/model-api")
            return answer.status_code == 200 and int(answer.json()["total_requests"]) == 100

        await eventually(counted)
        shown = (await client.get("/v1/metrics/realtime/model-api")).json()
        assert shown["error_rate"] == 0.05
        assert shown["avg_latency_ms"] == 50.5
        assert abs(shown["p95_latency_ms"] - 95) <= 0.96
        assert shown["qps"] == round(100 / 60, 4)
        assert list(shown["endpoints"]) == ["/v1/predict"]
        async with Redis.from_url(redis_url) as redis:
            kept = orjson.loads(await redis.get("real_time_metrics:model-api") or b"")
            assert kept["total_requests"] == 100
            assert 0 < await redis.ttl("real_time_metrics:model-api") <= 300

        # What is shown may be ahead of what is stored, acknowledged and rolled up.
        async def stored() -> bool:
            return await floor.total() == 100 and await floor.bus.length(METRICS) == 0

        await eventually(stored)

        async def rolled_up(step: int) -> list[dict[str, Any]]:
            query: dict[str, str | int] = {"service": "model-api", "step": step}
            points: list[dict[str, Any]] = (
                await client.get("/v1/metrics/history", params=query)
            ).json()["points"]
            assert sum(int(point["total_requests"]) for point in points) == 100
            return points

        for step in (1, 60, 300, 3600):
            points = await eventually(lambda: rolled_up(step))  # noqa: B023  # awaited in its turn
            assert points[0]["error_rate"] <= 0.05 or step == 1
        since = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
        ahead = {"service": "model-api", "from": since}
        assert (await client.get("/v1/metrics/history", params=ahead)).status_code == 422


@pytest.mark.parametrize("bus_url", ["redis"], indirect=True)
async def test_what_a_service_measures_is_shown_within_a_percent(
    floor: Floor, bus_url: str
) -> None:
    dice = random.Random(5)
    seconds = [0.02 * dice.lognormvariate(0, 1) for _ in range(2000)]
    async with floor.running() as client:
        async with Reporter.open(bus_url, "table-service") as reporter:
            for number, one in enumerate(seconds):
                reporter.report("/prd/start", seconds=one, status=503 if number % 50 == 0 else 200)
            await eventually(lambda: reporter.waiting == 0)

        async def counted() -> dict[str, float] | None:
            answer = await client.get("/v1/metrics/realtime/table-service")
            shown: dict[str, float] = answer.json()
            return shown if shown.get("total_requests") == len(seconds) else None

        shown = await eventually(counted, within_s=50)
    assert shown is not None
    exact = sorted(1000 * one for one in seconds)
    for name, share in (("p95_latency_ms", 0.95), ("p99_latency_ms", 0.99)):
        right = exact[int(share * (len(exact) - 1))]
        assert abs(shown[name] - right) <= 0.01 * right + 0.001  # as it is rounded too
    assert abs(shown["avg_latency_ms"] - mean(exact)) <= 0.001
    assert shown["error_rate"] == 0.02
    assert shown["qps"] == round(len(seconds) / 60, 4)
