"""How the fleet connects to Postgres, and which failures mean that Postgres is away."""

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import orjson

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

CONNECT_TIMEOUT_S: Final = 2.0
COMMAND_TIMEOUT_S: Final = 10.0

_AWAY: Final = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # admin shutdown, crash shutdown, cannot connect now
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)


def is_away(error: BaseException, *, closed: bool) -> bool:
    """Tell a Postgres that can't be used just now from a statement that is wrong."""
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg raises these for wrong arguments too, and those are ours to hear about.
        return closed and not isinstance(error, ValueError)
    if isinstance(error, OSError) and closed:
        return True
    return isinstance(error, _AWAY)


def driver_url(url: str) -> str:
    """Drop SQLAlchemy's driver name, as asyncpg knows plain postgresql:// only."""
    scheme, colon, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{colon}{rest}"


async def connect(
    url: str, *, name: str, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> Connection:
    return await asyncpg.connect(
        driver_url(url),
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings={"application_name": name, "jit": "off"},
    )


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value)


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])


async def set_json_codecs(connection: Connection) -> None:
    """Read and write json and jsonb columns as Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        format="binary",
    )
    await connection.set_type_codec(
        "json",
        schema="pg_catalog",
        encoder=orjson.dumps,
        decoder=orjson.loads,
        format="binary",
    )
