"""Entries as AMQP has them: `body` is the message, the other fields are its headers."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import aio_pika
from aiormq import Channel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, ChannelPreconditionFailed
from pamqp import commands as spec
from yarl import URL

from fleetkit import ids, logs
from fleetkit.bus.port import Entry, Fields, Queue

log = logs.get(__name__)

FAILURES: Final = (AMQPError, ChannelInvalidStateError, OSError)
CONNECT_TIMEOUT_S: Final = 5.0
HEARTBEAT_S: Final = 5
PERSISTENT: Final = 2
GOODBYE_S: Final = 2.0
ANSWER_S: Final = 10.0


async def connect(url: str) -> aio_pika.abc.AbstractConnection:
    """Connect once; a silent peer counts as lost after two heartbeats."""
    address = URL(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_S)
    return await aio_pika.connect(address, timeout=CONNECT_TIMEOUT_S)


async def close(connection: aio_pika.abc.AbstractConnection | None) -> None:
    """Say goodbye, and not for long: a dead peer does not answer it."""
    if connection is None:
        return
    with suppress(*FAILURES):
        async with asyncio.timeout(GOODBYE_S):
            await connection.close()


async def open_channel(connection: aio_pika.abc.AbstractConnection, *, confirms: bool) -> Channel:
    channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
    await channel.initialize()
    underneath = await channel.get_underlay_channel()
    assert isinstance(underneath, Channel)  # noqa: S101  # the abstract one can't pipeline
    return underneath


def arguments(queue: Queue) -> dict[str, Any]:
    """Give what a queue is declared with."""
    table: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-max-length": queue.length,
        "x-overflow": "drop-head" if queue.drops else "reject-publish",
    }
    if queue.size:
        table["x-max-length-bytes"] = queue.size
    if queue.exclusive:
        table["x-single-active-consumer"] = True
    if not queue.drops:
        table["x-delivery-limit"] = queue.deliveries
        table["x-dead-letter-exchange"] = ""
        table["x-dead-letter-routing-key"] = queue.dead_letters.name
        table["x-dead-letter-strategy"] = "at-least-once"
    return table


async def declare(connection: aio_pika.abc.AbstractConnection, queue: Queue) -> None:
    """Make the queue and where its dead letters go; take one that is there already as it is."""
    if not queue.drops:
        await declare(connection, queue.dead_letters)
    channel = await open_channel(connection, confirms=False)
    try:
        await channel.queue_declare(queue.name, durable=True, arguments=arguments(queue))
    except ChannelPreconditionFailed as error:
        log.warning("bus_queue_differs", queue=queue.name, reason=str(error))
        channel = await open_channel(connection, confirms=False)
    if queue.log:
        await channel.exchange_declare(exchange=queue.name, exchange_type="fanout", durable=True)
        await channel.queue_bind(queue.name, queue.name)
    await channel.close()


def address(queue: Queue) -> tuple[str, str]:
    """Give the exchange and routing key an entry is published under."""
    return (queue.name, "") if queue.log else ("", queue.name)


def encode(fields: Fields, once: str) -> tuple[bytes, spec.Basic.Properties]:
    headers: dict[str, Any] = {
        name: value if isinstance(value, str) else _told(value)
        for name, value in fields.items()
        if name != "body"
    }
    body = fields.get("body", b"")
    properties = spec.Basic.Properties(
        delivery_mode=PERSISTENT,
        message_id=once or ids.new(),
        timestamp=datetime.now(UTC),
        headers=headers,
    )
    return (body.encode() if isinstance(body, str) else body), properties


def _told(value: bytes) -> str | bytearray:
    """Tell text as text, for whoever reads it with other tools."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return bytearray(value)


def decode(message: DeliveredMessage) -> Entry:
    properties = message.header.properties
    fields = {"body": bytes(message.body), **_headers(properties.headers or {})}
    tag = getattr(message.delivery, "delivery_tag", 0) or 0
    again = bool(getattr(message.delivery, "redelivered", False))
    return Entry(properties.message_id or "", fields, properties.timestamp, tag, again)


def _headers(headers: Mapping[str, Any]) -> dict[str, bytes]:
    fields = {
        name: bytes(value)
        if isinstance(value, bytes | bytearray)
        else str(value).encode(errors="replace")
        for name, value in headers.items()
        if not name.startswith("x-")
    }
    if "reason" not in fields and "x-first-death-reason" in headers:
        fields["reason"] = str(headers["x-first-death-reason"]).encode()
    return fields
