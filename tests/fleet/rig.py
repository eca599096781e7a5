"""The fleet under test: started by manage.sh in a state folder of its own, hurt by pid."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fleetkit.testing import eventually, free_port

ROOT: Final = Path(__file__).resolve().parents[2]
ENVIRONMENTS: Final = ("CIT", "PRD", "QAT", "STG", "UAT")
REPLICAS: Final = 2


@dataclass(frozen=True, slots=True)
class Said:
    """What a verb of manage.sh printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Process:
    """A line of `status --json`."""

    service: str
    instance: str
    environment: str | None
    pid: int | None
    container: str | None
    port: int
    state: str
    uptime_s: float
    restarts: int
    in_flight: int | None = None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.pid is not None, self
        os.kill(self.pid, number)


@dataclass(slots=True)
class Fleet:
    """One fleet; all that tests do to it goes through manage.sh or a signal."""

    state: Path
    port: int = field(default_factory=free_port)
    inner_port: int = field(default_factory=free_port)
    secrets: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    planted: dict[str, str] = field(default_factory=dict)
    mode: str = "native"
    seconds: float = 180.0  # for one verb

    def __post_init__(self) -> None:
        names: tuple[str, ...] = ("ADMIN_KEY", "INNER_KEY", "OWNER_PASSWORD", "GATEWAY_PASSWORD")
        names += ("LOG_SERVICE_PASSWORD",)
        for name in (*names, "METRICS_SERVICE_PASSWORD", "TABLE_SERVICE_PASSWORD"):
            self.secrets[f"PITBOSS_{name}"] = f"{name.lower()}-{secrets.token_hex(8)}"

    @property
    def key(self) -> str:
        return self.secrets["PITBOSS_ADMIN_KEY"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    def log_lines(self, prefix: str) -> Iterator[dict[str, object]]:
        """Give the JSON lines of the logs whose file name begins so."""
        for path in sorted(self.logs.glob(f"{prefix}*")):
            # Not splitlines: a line may hold what Unicode too calls the end of one.
            for line in path.read_text(errors="replace").split("\n"):
                if line.startswith("{"):
                    yield json.loads(line)

    def environment(self) -> dict[str, str]:
        """Give the settings that manage.sh is told, and nothing of the machine's own."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
        settings = {
            **self.secrets,
            "PITBOSS_STATE_DIR": str(self.state),
            "PITBOSS_PORT": str(self.port),
            "PITBOSS_INNER_PORT": str(self.inner_port),
            "PITBOSS_ENVIRONMENTS": ",".join(ENVIRONMENTS),
            "PITBOSS_REPLICAS": str(REPLICAS),
            "PITBOSS_GATEWAYS": "1",
            "PITBOSS_LOG_LEVEL": "info",
            "PITBOSS_MODE": self.mode,
            **self.settings,
        }
        return kept | self.planted | settings

    def run(self, *arguments: str) -> Said:
        done = subprocess.run(
            [str(ROOT / "manage.sh"), *arguments],
            env=self.environment(),
            cwd=self.state.parent,
            capture_output=True,
            text=True,
            timeout=self.seconds,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    async def manage(self, *arguments: str) -> Said:
        return await asyncio.to_thread(self.run, *arguments)

    def processes(self) -> dict[str, Process]:
        said = self.run("status", "--json")
        assert said.code == 0, said
        shown = json.loads(said.out)
        assert shown["mode"] == self.mode
        return {entry["instance"]: Process(**entry) for entry in shown["services"]}

    async def status(self) -> dict[str, Process]:
        return await asyncio.to_thread(self.processes)

    async def pool(self, service: str) -> list[Process]:
        return [one for one in (await self.status()).values() if one.service == service]

    async def one(self, service: str) -> Process:
        return (await self.pool(service))[0]

    async def all_ready(self) -> bool:
        return all(one.state == "ready" for one in (await self.status()).values())

    async def whole(self, *, within_s: float = 120.0) -> None:
        """Wait until each process is ready again."""
        await eventually(self.all_ready, within_s=within_s)
