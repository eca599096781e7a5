"""Clients of Redis: they do not try again by themselves, and a loss is always a ConnectionError."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis, connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostError


class Connection(connection.Connection):
    """Uvloop says RuntimeError of a transport that was reset, which no caller takes for a loss."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        try:
            await super().send_packed_command(command, check_health=check_health)
        except RuntimeError as error:
            raise LostError(f"The connection was lost: {error}") from error


def connect(url: str, *, timeout_s: float | None, connect_s: float, decode: bool = False) -> Any:
    """Make a client; `timeout_s` is how long an answer may take, None for one that listens."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=connect_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=decode,
        protocol=2,
        connection_class=Connection,
    )
