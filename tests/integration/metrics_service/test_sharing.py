from typing import Any

import aio_pika
import orjson
import pytest

from fleetkit.telemetry import METRICS, SHARDS
from fleetkit.testing import eventually
from integration.metrics_service.conftest import Floor, entry, event


async def owners(floor: Floor) -> dict[str, int]:
    """Tell how many shards each instance has taken."""
    told = "SELECT json_object_agg(owner, n)::text FROM"
    counted = "(SELECT owner, count(*) AS n FROM metrics_shards GROUP BY owner) AS c"
    found: dict[str, int] = orjson.loads(await floor.ask(f"{told} {counted}") or "{}")
    return found


async def test_shards_are_spread_over_instances_and_handed_over(floor: Floor) -> None:
    published = 0

    async def publish_to_all() -> None:
        nonlocal published
        for number, queue in enumerate(SHARDS):
            await floor.bus.publish_many(queue, [entry(service_name=f"of-{number}")] * 25)
            published += 25

    async def spread(*shares: int) -> bool:
        # A shard is taken with its first event.
        await publish_to_all()
        return sorted((await owners(floor)).values()) == sorted(shares)

    async def all_counted() -> bool:
        return await floor.total() == published

    async with floor.running():
        await eventually(lambda: spread(4), within_s=60)
        async with floor.running():
            await eventually(lambda: spread(2, 2), within_s=60)
        await eventually(lambda: spread(4), within_s=60)
        await eventually(all_counted, within_s=60)


@pytest.mark.parametrize("bus_url", ["rabbitmq"], indirect=True)
async def test_what_plain_publishers_send_without_any_name_is_counted_each(
    floor: Floor, bus_url: str
) -> None:
    same: dict[str, Any] = event()
    assert await floor.bus.length(METRICS) == 0  # and there is such a queue, then
    async with floor.running():
        async with await aio_pika.connect(bus_url) as connection:
            channel = await connection.channel()
            for one in [same, same, event(response_time_ms=7)]:
                message = aio_pika.Message(orjson.dumps(one))
                await channel.default_exchange.publish(message, routing_key=METRICS.name)

        async def all_counted() -> bool:
            return await floor.total() == 3

        await eventually(all_counted, within_s=60)
