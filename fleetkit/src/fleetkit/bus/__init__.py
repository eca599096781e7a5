"""The bus: queues between services, on Redis Streams or RabbitMQ as the URL says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetkit.bus.port import Batch, Bus, Entry, Fields, Full, Queue, away
from fleetkit.bus.rabbitmq import RabbitBus
from fleetkit.bus.redis_streams import RedisBus

__all__ = ["Batch", "Bus", "Entry", "Fields", "Full", "Queue", "away", "open_bus"]


@asynccontextmanager
async def open_bus(url: str) -> AsyncIterator[Bus]:
    """Open the bus of this URL; it does not matter whether its server is up yet."""
    adapter = RabbitBus if url.startswith(("amqp://", "amqps://")) else RedisBus
    async with adapter.open(url) as bus:
        yield bus
