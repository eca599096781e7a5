"""TLS in front of a server that has none, with a certificate of a throwaway authority."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Final

from native.certificates import Files

POSTGRES: Final = struct.pack("!II", 8, 80_877_103)
"""How a client of Postgres asks for TLS; neither the wheel's Postgres nor its Valkey has any."""


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def fronting(port: int, files: Files, *, asked: bytes = b"") -> AsyncIterator[int]:
    """Lend the port at which that other port is reached by TLS, at once or when asked so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked:
            if await reader.read(len(asked)) != asked:
                writer.close()
                return
            writer.write(b"S")
            await writer.start_tls(context)
        inside, outside = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass_on(reader, outside), _pass_on(inside, writer))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if asked else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
