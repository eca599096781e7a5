from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from fleetkit.telemetry import METRICS
from fleetkit.testing import eventually
from integration.metrics_service.conftest import Floor, entry, event

ROTTEN: list[dict[str, bytes]] = [
    {"body": b"not JSON"},
    {"body": b"\xff\xfe"},
    {"nobody": b"knows"},
    {"body": b"x" * 10_000_000},
    {"body": b'{"response_time_ms": NaN}'},
    entry(status_code=42),
    entry(response_time_ms=-1),
    entry(timestamp="2020-01-01T00:00:00Z"),
    entry(timestamp=(datetime.now(UTC) + timedelta(days=1)).isoformat()),
    entry(service_name="s" * 101),
    entry(service_name="a\x1bb"),
]


async def test_what_is_rotten_is_laid_aside_with_its_reason_and_stops_nothing(floor: Floor) -> None:
    dead_before = await floor.bus.length(METRICS.dead_letters)
    await floor.publish([*ROTTEN, entry(), *ROTTEN, entry()])
    async with floor.running() as client:

        async def counted() -> bool:
            return await floor.total() == 2

        await eventually(counted, within_s=30)

        async def laid_aside() -> dict[str, Any] | None:
            found: dict[str, Any] = (await client.get("/v1/metrics/dlq?limit=1000")).json()
            return found if found["total"] == dead_before + 2 * len(ROTTEN) else None

        found = await eventually(laid_aside, within_s=30)
        assert found is not None
        letters = found["letters"]
        assert all(letter["reason"] for letter in letters)
        assert all(len(letter["event"]) <= 4096 for letter in letters)
        large = next(letter for letter in letters if letter["size"] == 10_000_000)
        assert "10000000 bytes" in large["reason"]
        one = await client.get(f"/v1/metrics/dlq/{large['id']}")
        assert one.json() == large
        assert (await client.get("/v1/metrics/dlq/no-such")).status_code == 404
        # Put right or not, they are published again; what is still wrong comes back.
        answer = await client.post("/v1/metrics/dlq/replay", json={"ids": [large["id"]]})
        assert answer.json() == {"replayed": 1}
        await eventually(laid_aside, within_s=30)
        assert await floor.total() == 2


async def test_a_batch_by_http_is_taken_one_by_one(floor: Floor) -> None:
    async with floor.running() as client:
        same = event(event_id="the-same")
        batch = [event(), same, same, {**event(), "status_code": 42}, "no object", None]
        answer = await client.post("/v1/metrics/events", json={"events": batch})
        assert answer.status_code == 202
        told = answer.json()
        assert told["accepted"] == 3
        assert [one["index"] for one in told["rejected"]] == [3, 4, 5]

        async def counted() -> bool:
            return await floor.total() == 2

        await eventually(counted, within_s=30)
        wrongs: list[dict[str, list[int]]] = [{}, {"events": []}, {"events": [1] * 1001}]
        for wrong in wrongs:
            assert (await client.post("/v1/metrics/events", json=wrong)).status_code == 422
        client.headers.pop("authorization")
        assert (await client.post("/v1/metrics/events", json={"events": batch})).status_code == 401
        assert (await client.get("/v1/metrics/realtime")).status_code == 401
        assert orjson.loads((await client.get("/health")).content)["status"] == "ready"
