"""Which processes are ours, written down so that they are found when the supervisor was killed."""

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from native.child import Child
from native.places import read_json, write_json

_SAME_SECONDS: Final = 1.0
_END_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A process as it was when it was started."""

    service: str
    instance: str
    environment: str | None
    pid: int
    port: int
    created: float

    def is_alive(self) -> bool:
        """Tell whether it is still that process: a pid is used again, pid and start are not."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE and self._leads_session()
        except psutil.Error:
            return False

    def _leads_session(self) -> bool:
        try:
            return os.getsid(self.pid) == self.pid
        except ProcessLookupError:
            return False

    def leftovers(self) -> list[psutil.Process]:
        """Give the members of its group when it is gone: nginx workers outlive their master."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                grouped = os.getpgid(process.pid) == self.pid != process.pid
                if grouped and process.create_time() >= self.created - _SAME_SECONDS:
                    found.append(process)
        return found


def record(path: Path, children: Iterable[Child]) -> None:
    lines = [
        {
            "service": child.identity.service,
            "instance": child.identity.instance,
            "environment": child.identity.environment,
            "pid": child.pid,
            "port": child.port,
            "created": child.created,
        }
        for child in children
        if child.pid is not None and child.created is not None
    ]
    write_json(path, {"processes": lines})


def recall(path: Path) -> list[Recorded]:
    """Give the recorded processes that still live, or left something behind."""
    lines = read_json(path).get("processes", [])
    found = [Recorded(**line) for line in lines]
    return [process for process in found if process.is_alive() or process.leftovers()]


def clear(path: Path) -> list[str]:
    """End what a killed supervisor left, gently first; give the names."""
    left = recall(path)
    waiting: list[psutil.Process] = []
    for recorded in reversed(left):
        gentle = signal.SIGINT if recorded.service == "postgres" else signal.SIGTERM
        with contextlib.suppress(psutil.Error):
            alive = recorded.is_alive()
            members = [psutil.Process(recorded.pid)] if alive else recorded.leftovers()
            for process in members:
                process.send_signal(gentle)
                waiting.append(process)
    psutil.wait_procs(waiting, timeout=_END_SECONDS)
    stubborn = [process for process in waiting if process.is_running()]
    stubborn += [process for recorded in left for process in recorded.leftovers()]
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_END_SECONDS)
    path.unlink(missing_ok=True)
    return [recorded.instance for recorded in left]
