"""A connection to Redis whose loss is always a ConnectionError."""

from collections.abc import Iterable

from redis.asyncio import connection
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
