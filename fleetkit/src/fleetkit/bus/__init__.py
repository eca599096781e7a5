"""The bus: queues between services, on Redis Streams or RabbitMQ as the URL says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleetkit.bus.port import Batch, Bus, Entry, Fields, Full, Queue, away
from fleetkit.bus.redis_streams import RedisBus

if TYPE_CHECKING:
    from fleetkit.bus.rabbitmq import RabbitBus

__all__ = ["Batch", "Bus", "Entry", "Fields", "Full", "Queue", "away", "open_bus"]


@asynccontextmanager
async def open_bus(url: str) -> AsyncIterator[Bus]:
    """Open the bus of this URL; it does not matter whether its server is up yet."""
    async with _adapter(url).open(url) as bus:
        yield bus


def _adapter(url: str) -> "type[RabbitBus | RedisBus]":
    if not url.startswith(("amqp://", "amqps://")):
        return RedisBus
    # Its client takes a fifth of the time in which a process starts, and most fleets have none.
    from fleetkit.bus.rabbitmq import RabbitBus  # noqa: PLC0415

    return RabbitBus
