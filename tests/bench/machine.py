"""What the figures were measured on: the machine, and the code."""

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from native.places import ROOT

_GIB: Final = 1 << 30
_QUIET: Final = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran."""

    cores: int
    model: str
    memory_gib: int
    system: str
    python: str
    load: float = 0.0  # what else ran in the minute before

    @property
    def sentence(self) -> str:
        told = (
            f"{self.cores} cores of {self.model}, {self.memory_gib} GiB, "
            f"{self.system}, Python {self.python}"
        )
        if self.load <= self.cores * _QUIET:
            return told
        busy = f"BUSY with something else (load {self.load:.1f})"
        return f"{told}, {busy}, so times are too long and rates too low"

    def write(self) -> dict[str, Any]:
        return asdict(self)


def look() -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _cores(),
        model=_model(),
        memory_gib=round(psutil.virtual_memory().total / _GIB),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load=round(psutil.getloadavg()[0], 1),
    )


def _cores() -> int:
    return psutil.cpu_count() or 1


def _model() -> str:
    """Name the processor; macOS and some containers have no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, text = line.partition(":")
        if name.strip() == "model name":
            return text.strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Name the code by its commit, with a plus where files have changed since."""
    try:
        return _git("rev-parse", "--short=10", "HEAD") + (
            "+" if _git("status", "-s", "-uno") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607  # whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
