"""The checkout's fleet as it is set, with what was scaled, added and taken out since."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from native import environments, settings
from native.docker import project
from native.docker.engine import Compose
from native.places import Memory, Places


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is wanted, and where it is kept."""

    where: Places
    wanted: settings.Settings
    memory: Memory

    @classmethod
    def load(cls) -> Self:
        wanted = settings.load()
        where = Places(wanted.state)
        return cls(where, wanted, Memory.load(_file(where)))

    @property
    def environments(self) -> list[str]:
        return environments.effective(self.wanted.environments, self.memory)

    @property
    def compose(self) -> Compose:
        return project.load(self.where, project.told(self.wanted, self.environments))

    def save(self) -> None:
        self.where.make()
        self.memory.save(_file(self.where))
        project.write_override(self.where, self.environments, self.memory.counts)


def _file(where: Places) -> Path:
    return where.state / "docker.json"
