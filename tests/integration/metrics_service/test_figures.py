from datetime import UTC, datetime, timedelta

import orjson
from redis.asyncio import Redis

from fleetkit.telemetry import METRICS
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

        await eventually(counted, within_s=20)
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
        assert await floor.total() == 100
        assert await floor.bus.length(METRICS) == 0

        async def rolled_up() -> bool:
            query: dict[str, str | int] = {"service": "model-api", "step": 60}
            points = (await client.get("/v1/metrics/history", params=query)).json()["points"]
            return sum(int(point["total_requests"]) for point in points) == 100

        await eventually(rolled_up, within_s=20)
        for step in (1, 300, 3600):
            asked: dict[str, str | int] = {"service": "model-api", "step": step}
            points = (await client.get("/v1/metrics/history", params=asked)).json()["points"]
            assert sum(point["total_requests"] for point in points) == 100
            assert points[0]["error_rate"] <= 0.05 or step == 1
        since = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
        ahead = {"service": "model-api", "from": since}
        assert (await client.get("/v1/metrics/history", params=ahead)).status_code == 422
