"""Whatever the event loop says of a transport that is gone, to callers it is a lost connection."""

import asyncio

import pytest
import uvloop
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostError

from fleetkit.redislink import Connection


async def _lose() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readline():
                writer.write(b"+OK\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Redis.from_url(
        f"redis://127.0.0.1:{port}/0",
        retry=Retry(NoBackoff(), 0),
        connection_class=Connection,
        single_connection_client=True,
    )
    try:
        await client.initialize()
        connection = client.connection
        assert connection is not None
        assert connection._writer is not None
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(LostError):
            await connection.send_packed_command(b"PING\r\n")
    finally:
        await client.aclose()
        await ended.wait()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_lost_transport_is_a_lost_connection(runner: object) -> None:
    assert callable(runner)
    runner(_lose())
