"""A consumer to be killed: takes entries, says their bodies, acknowledges none, stays."""

import asyncio
import sys

from fleetkit.bus import Queue, open_bus


async def main(url: str, name: str, exclusive: str, consumer: str) -> None:
    queue = Queue(name, exclusive=exclusive == "exclusive")
    async with open_bus(url) as bus, bus.consume(queue, group="g", consumer=consumer) as batches:
        sys.stderr.write("consuming\n")
        sys.stderr.flush()
        async for batch in batches:
            for entry in batch.entries:
                sys.stderr.write(f"{entry.body.decode()}\n")
            sys.stderr.flush()


asyncio.run(main(*sys.argv[1:]))
