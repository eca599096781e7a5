"""The logs of the fleet, of one service or one instance, also as they are written."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from native.refusals import BadUse, Refusal

_TAIL_BYTES: Final = 256 * 1024
_PAUSE_SECONDS: Final = 0.2


def _find(folder: Path, service: str | None) -> list[Path]:
    logs = sorted(folder.glob("*.log"))
    if not logs:
        raise Refusal("There are no logs yet; start the fleet with: ./manage.sh up")
    if service is None:
        return logs
    found = [log for log in logs if log.stem == service]
    found = found or [log for log in logs if log.stem.startswith(f"{service}-")]
    if not found:
        raise BadUse(f"No log of {service!r}; there are: {', '.join(log.stem for log in logs)}.")
    return found


def _last(log: Path, count: int) -> tuple[list[str], int]:
    with log.open("rb") as stream:
        end = stream.seek(0, 2)
        start = stream.seek(max(0, end - _TAIL_BYTES))
        lines = stream.read(end - start).decode(errors="replace").splitlines()
    return lines[-count:] if count > 0 else [], end


def read(folder: Path, service: str | None, count: int, follow: bool) -> Iterator[str]:
    """Give the last lines of each log, then, if asked, what comes."""
    logs = _find(folder, service)
    width = max(len(log.stem) for log in logs)
    offsets: dict[Path, int] = {}

    def mark(log: Path, lines: list[str]) -> Iterator[str]:
        for line in lines:
            yield f"{log.stem.ljust(width)} | {line}" if len(logs) > 1 else line

    for log in logs:
        lines, offsets[log] = _last(log, count)
        yield from mark(log, lines)
    while follow:
        time.sleep(_PAUSE_SECONDS)
        for log in _find(folder, service):
            size = log.stat().st_size
            start = min(offsets.get(log, 0), size)  # a rotated log begins anew
            with log.open("rb") as stream:
                stream.seek(start)
                new = stream.read(size - start)
            whole = new[: new.rfind(b"\n") + 1]
            offsets[log] = start + len(whole)
            yield from mark(log, whole.decode(errors="replace").splitlines())
