"""Where the fleet keeps its things: the state folder, and short private folders for sockets."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[3]
"""The checkout: native is always installed editable from it."""

_SOCKET_PATH_LIMIT: Final = 80  # the kernel allows 104 (macOS) or 108; Postgres adds 20


@dataclass(frozen=True, slots=True)
class Places:
    """The state folder of one fleet."""

    state: Path

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def postgres(self) -> Path:
        return self.state / "postgres"

    @property
    def valkey(self) -> Path:
        return self.state / "valkey"

    @property
    def nginx(self) -> Path:
        return self.state / "nginx"

    @property
    def memory(self) -> Path:
        return self.state / "memory.json"

    @property
    def processes(self) -> Path:
        return self.state / "processes.json"

    @property
    def lock(self) -> Path:
        return self.state / "supervisor.lock"

    def make(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)


@dataclass(slots=True)
class Memory:
    """What outlives the supervisor: picked ports, asked-for replica counts, its socket."""

    control: str | None = None
    migrated: str | None = None
    edge_port: int | None = None
    edge_url: str | None = None
    ports: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    environments: list[str] = field(default_factory=list)  # added at run time
    removed: list[str] = field(default_factory=list)  # taken out at run time, whatever is set
    folders: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Self:
        stored = read_json(path)
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        return cls(**known)

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))


def read_json(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}  # a file cut by a power loss costs remembered ports, not data
    return stored if isinstance(stored, dict) else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(path)


def make_private_folder(purpose: str, owner: tuple[int, int] | None = None) -> Path:
    """Make a folder only its owner may enter, with a path short enough for a socket."""
    name = f"pitboss-{purpose}-"
    folder = tempfile.mkdtemp(prefix=name)
    if len(folder.encode()) > _SOCKET_PATH_LIMIT:
        Path(folder).rmdir()
        folder = tempfile.mkdtemp(prefix=name, dir="/tmp")
    if owner is not None:
        os.chown(folder, *owner)
    return Path(folder)
