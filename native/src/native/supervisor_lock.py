"""The lock that says whether a supervisor runs; the kernel drops it however that one ends."""

import fcntl
import time
from pathlib import Path
from typing import IO, Final

_PATIENCE_SECONDS: Final = 1.0
"""Longer than anyone looks at the lock, shorter than a supervisor lives."""


def _try(path: Path, mode: int) -> IO[str] | None:
    file = path.open("a")
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def take(path: Path) -> IO[str] | None:
    """Hold the lock as long as the returned file is open; None if another does."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        file = _try(path, fcntl.LOCK_EX)
        if file is not None:
            return file
        time.sleep(0.01)
    return None


def is_held(path: Path) -> bool:
    if not path.exists():
        return False
    file = _try(path, fcntl.LOCK_SH)
    if file is None:
        return True
    file.close()
    return False
