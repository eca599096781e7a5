"""Stands in for a service: answers /readyz and, with its name, everything else."""

import asyncio
import contextlib
import json
import os
import signal
import sys

GRACE_SECONDS = 5.0


class Replica:
    """One process, closing its connections politely when told to end."""

    def __init__(self) -> None:
        self.name = os.environ["PITBOSS_INSTANCE"]
        self.ending = False
        self.busy = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not self.ending:
                head = await reader.readuntil(b"\r\n\r\n")
                self.busy += 1
                try:
                    await self._answer(head, reader, writer)
                finally:
                    self.busy -= 1
        writer.close()

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        await reader.readexactly(length)
        path = head.split(b" ", 2)[1].decode()
        if path.endswith("/slow"):
            await asyncio.sleep(0.2)  # what takes long is to be under way while others leave
        told = {name: text for name, text in os.environ.items() if name.startswith("PITBOSS_")}
        body = json.dumps({"instance": self.name, "pid": os.getpid(), "path": path, "told": told})
        end = "Connection: close\r\n" if self.ending else ""
        writer.write(f"HTTP/1.1 200 OK\r\n{end}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()


async def run() -> None:
    replica = Replica()
    host, _, port = os.environ["PITBOSS_BIND"].rpartition(":")
    server = await asyncio.start_server(replica.serve, host, int(port))
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    sys.stdout.write(f"{replica.name} listens on {port}\n")
    await end.wait()
    replica.ending = True
    server.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            while replica.busy:  # noqa: ASYNC110  # a stand-in may be simple
                await asyncio.sleep(0.01)
    os._exit(0)


def main() -> None:
    asyncio.run(run())
