import asyncio

import orjson
import pytest

from fleetkit import telemetry
from fleetkit.bus import open_bus
from fleetkit.telemetry import Reporter, shard_of
from fleetkit.testing import eventually
from integration.conftest import ValkeyServer


async def _bodies(url: str) -> list[dict[str, object]]:
    async with open_bus(url) as bus:
        return [orjson.loads(entry.body) for entry in await bus.peek(shard_of("gateway"), 1000)]


async def test_what_is_reported_is_published_as_documented(redis_url: str) -> None:
    async with Reporter.open(redis_url, "gateway") as reporter:
        reporter.report("GET /v1/tables", seconds=0.0125, status=200)
        reporter.report("/prd/start", seconds=2.0, status=None, environment="PRD", table="ARO-001")
        await eventually(lambda: reporter.waiting == 0)
    first, second = await _bodies(redis_url)
    assert first["service_name"] == "gateway"
    assert (first["api_endpoint"], first["status_code"]) == ("GET /v1/tables", 200)
    assert first["response_time_ms"] == 12.5
    assert (second["status_code"], second["environment"]) == (None, "PRD")
    assert second["event_id"] != first["event_id"]


async def test_what_is_left_at_the_end_is_published_too(redis_url: str) -> None:
    async with Reporter.open(redis_url, "gateway") as reporter:
        for _ in range(1200):
            reporter.report("GET /v1/tables", seconds=0.01, status=200)
    async with open_bus(redis_url) as bus:
        assert await bus.length(shard_of("gateway")) == 1200


async def test_while_the_bus_is_away_the_newest_wait_and_the_rest_is_counted(
    spare_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "MOST_WAITING", 100)
    await spare_valkey.stop()
    started = False
    try:
        async with Reporter.open(spare_valkey.url, "gateway") as reporter:
            for number in range(150):
                reporter.report(f"/{number}", seconds=0.01, status=200)
                await asyncio.sleep(0)
            # Also those of which the bus is being told just now come back, and find no room.
            await eventually(lambda: reporter.dropped >= 50)
            assert reporter.waiting + reporter.dropped == 150
            await spare_valkey.start()
            started = True
            await eventually(lambda: reporter.waiting == 0, within_s=30)
            kept = 150 - reporter.dropped
    finally:
        if not started:
            await spare_valkey.start()
    published = [str(body["api_endpoint"]) for body in await _bodies(spare_valkey.url)]
    assert published[-kept:] == [f"/{number}" for number in range(150 - kept, 150)]
