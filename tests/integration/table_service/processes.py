"""A replica as a process of its own, to be killed or told to go."""

import asyncio

import httpx


class Process:
    """A replica of its own, to be killed or told to go."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.client = httpx.AsyncClient(base_url=url, timeout=20)
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode())

    async def ready(self) -> bool:
        return (await self.client.get("/readyz")).status_code == httpx.codes.OK

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        await self.client.aclose()
