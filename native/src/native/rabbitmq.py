"""RabbitMQ as installed on the machine, on ports and in a folder of its own, with its own epmd."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from native import ports, probes, programs
from native.ports import LOOPBACK
from native.refusals import Missing, Refusal

_START_SECONDS: Final = 120.0
_USUAL_PORT: Final = 5672
# Debian's own /usr/sbin/rabbitmq-server changes to the package's account and folders.
_SCRIPTS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
# In one process group, so that neither outlives the other; erl would leave one of its own behind.
_BOTH: Final = """
epmd -address "$ERL_EPMD_ADDRESS" -port "$ERL_EPMD_PORT" &
until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.1; done
exec "$0"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running RabbitMQ; besides its port it has one for epmd and one between Erlang nodes."""

    folder: Path
    port: int
    epmd_port: int
    node_port: int

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"


def find_script() -> Path:
    for name in _SCRIPTS:
        installed = shutil.which(name)
        if installed is not None and shutil.which("epmd") is not None:
            return Path(installed)
    raise Missing("No rabbitmq-server here; install it with: apt-get install rabbitmq-server")


def loopback_port(url: str) -> int | None:
    """Give the port of a bus that is to be on this machine, None for any other."""
    parts = urlsplit(url)
    ours = parts.scheme == "amqp" and parts.hostname in (LOOPBACK, "localhost")
    return (parts.port or _USUAL_PORT) if ours else None


def choose(folder: Path, port: int | None = None) -> Server:
    chosen = [port or ports.pick_free()]
    for _ in range(2):
        chosen.append(ports.pick_free(set(chosen)))
    return Server(folder, *chosen)


def program(server: Server) -> programs.Program:
    folder = str(server.folder)
    return programs.Program(
        ("/bin/sh", "-c", _BOTH, str(find_script())),
        {
            "HOME": folder,  # where Erlang keeps its cookie
            "RABBITMQ_NODENAME": f"pitboss-{server.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(server.port),
            "RABBITMQ_DIST_PORT": str(server.node_port),
            "ERL_EPMD_PORT": str(server.epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            # With it the script becomes Erlang instead of waiting for it: signals reach it.
            "RUNNING_UNDER_SYSTEMD": "1",
            # Busy waiting would take the cores from everything else on the machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none"
            ),
        },
        working_folder=server.folder,
    )


async def answers(port: int) -> bool:
    """Tell whether it speaks AMQP; to a wrong header it answers with its own, and closes."""
    try:
        async with asyncio.timeout(probes.SECONDS):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"AMQP\x00\x00\x00\x00")
                return (await reader.readexactly(4)) == b"AMQP"
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError):
        return False


async def start(server: Server) -> asyncio.subprocess.Process:
    """Start it with its files in the server's folder, and wait until it speaks AMQP."""
    server.folder.mkdir(parents=True, exist_ok=True)
    log = server.folder / "rabbitmq.log"
    made = program(server)
    process = await programs.launch(made, log)
    async with programs.stopped_on_failure(process, made), asyncio.timeout(_START_SECONDS):
        while not await answers(server.port):
            if process.returncode is not None:
                raise Refusal(f"RabbitMQ did not start: {programs.last_words(log)} (see {log})")
            await asyncio.sleep(0.1)
    return process


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Server]:
    """Lend a RabbitMQ."""
    server = choose(folder)
    process = await start(server)
    try:
        yield server
    finally:
        await programs.stop(process, program(server))
