"""How the fleet connects to Postgres, and which failures mean that Postgres is away."""

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import asyncpg
import orjson

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Plans: TypeAlias = Literal["auto", "force_generic_plan"]
"""Whether Postgres may plan a prepared statement anew for each of its values."""

# A machine short of CPU, as when many replicas start at once, is slow; it is not away. Who gives up
# on it early answers 503 without need, and costs Postgres a new process for each connection cut.
CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 15.0

_AWAY: Final = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # admin shutdown, crash shutdown, cannot connect now
    asyncpg.InsufficientResourcesError,  # out of memory, too many connections; a disk that is full
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
    url: str,
    *,
    name: str,
    command_timeout_s: float | None = COMMAND_TIMEOUT_S,
    plans: Plans = "auto",
) -> Connection:
    """Connect; a statement is prepared once and for as long as its connection lives.

    A plan that is made once is made while its tables are small, and kept while they grow: it must
    not read a table whole.
    """
    seqscan = "on" if plans == "auto" else "off"
    return await asyncpg.connect(
        driver_url(url),
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        max_cached_statement_lifetime=0,
        server_settings={
            "application_name": name,
            "jit": "off",
            "plan_cache_mode": plans,
            "enable_seqscan": seqscan,
        },
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
