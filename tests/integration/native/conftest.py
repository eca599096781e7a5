import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleetkit.testing import until
from native import ports
from native.places import ROOT

STANDINS = Path(__file__).parent / "standins"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@dataclass
class Fleet:
    """A fleet of stand-ins with its own state folder, driven through the command line."""

    state: Path
    port: int
    inner_port: int
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
        secret = ("ADMIN_KEY", "INNER_KEY", "OWNER_PASSWORD", "GATEWAY_PASSWORD")
        return {
            **kept,
            **{f"PITBOSS_{name}": f"of-{name.lower()}" for name in secret},
            "PITBOSS_LOG_SERVICE_PASSWORD": "logs password",
            "PITBOSS_METRICS_SERVICE_PASSWORD": "metrics password",
            "PITBOSS_TABLE_SERVICE_PASSWORD": "p@ss/w:rd's",
            "PITBOSS_ENVIRONMENTS": "CIT,PRD",
            "PITBOSS_PORT": str(self.port),
            "PITBOSS_INNER_PORT": str(self.inner_port),
            "PITBOSS_STATE_DIR": str(self.state),
            "PITBOSS_MODE": "native",
            "PYTHONPATH": str(STANDINS),
            **self.settings,
            **extra,
        }

    def run(self, *arguments: str, **extra: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "native", *arguments],
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    async def tell(self, *arguments: str, **extra: str) -> Said:
        return await asyncio.to_thread(self.run, *arguments, **extra)

    def status(self) -> dict[str, dict[str, Any]]:
        said = self.run("status", "--json")
        assert said.out, said.err
        shown = json.loads(said.out)
        assert shown["mode"] == "native"
        return {entry["instance"]: entry for entry in shown["services"]}

    def ready(self) -> set[str]:
        return {name for name, entry in self.status().items() if entry["state"] == "ready"}


@pytest.fixture
def bare_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet not started, in a folder with a space."""
    port = ports.pick_free()
    fleet = Fleet(tmp_path / "a state folder", port, ports.pick_free((port,)))
    yield fleet
    fleet.run("down")


@pytest.fixture
def fleet(bare_fleet: Fleet) -> Fleet:
    said = bare_fleet.run("up")
    assert said.code == 0, said
    return bare_fleet


@pytest.fixture(name="until")
def lend_until() -> Callable[..., None]:
    return until


@dataclass
class Load:
    """What a number of clients met."""

    answered: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.answered.values())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(90):
            while not condition():  # noqa: ASYNC110  # the clients set no event
                await asyncio.sleep(0.02)


class Client:
    """A strict HTTP client: what it sent on an open connection must be answered."""

    def __init__(self, port: int, path: str, keep: bool) -> None:
        self.port, self.path, self.keep = port, path, keep
        self.connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self) -> str:
        if self.connection is not None and self.connection[0].at_eof():
            await self.close()
        if self.connection is None:
            self.connection = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.connection
        close = "" if self.keep else "Connection: close\r\n"
        head = f"POST {self.path} HTTP/1.1\r\nHost: x\r\n{close}Content-Length: 2\r\n\r\n{{}}"
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.partition("content-length:")[2].split("\r\n")[0])
        body = await reader.readexactly(length)
        if "connection: close" in answer:
            await self.close()
        assert answer.startswith("http/1.1 200"), f"{answer}{body!r}"
        return str(json.loads(body)["instance"])

    async def close(self) -> None:
        if self.connection is not None:
            writer = self.connection[1]
            self.connection = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def loading(targets: list[tuple[int, str]], clients: int = 3) -> AsyncIterator[Load]:
    """Keep requests coming on kept and on fresh connections until the block ends."""
    load, end = Load(), asyncio.Event()

    async def press(client: Client) -> None:
        while not end.is_set():
            try:
                async with asyncio.timeout(20):
                    name = await client.post()
            except (OSError, EOFError, AssertionError, TimeoutError) as error:
                load.failures.append(f"{client.path} keep={client.keep}: {error!r}")
                await client.close()
            else:
                load.answered[name] = load.answered.get(name, 0) + 1
            await asyncio.sleep(0.02)  # stays below what the edge grants one address
        await client.close()

    everyone = [
        asyncio.create_task(press(Client(port, path, keep)))
        for port, path in targets
        for keep in (True, True, False)
        for _ in range(clients)
    ]
    try:
        yield load
    finally:
        end.set()
        await asyncio.gather(*everyone)


@pytest.fixture(name="loading")
def lend_loading() -> Callable[..., Any]:
    return loading


@pytest.fixture
def root() -> Path:
    return ROOT
