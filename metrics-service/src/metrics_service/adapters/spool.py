"""The local write-ahead spool: what was counted while Postgres is away, on disk before it is acknowledged.

One file for each life of a process, locked while it lives; whoever finds one unlocked takes it in.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import Final

import orjson

from fleetkit import ids, logs
from metrics_service.domain.windows import Place

log = logs.get(__name__)

LARGEST: Final = 256 * 1024 * 1024
Counted = tuple[bytes, Place, float, bool]
"""An event as it was counted: its digest, its bucket, how long it took, whether it failed."""


class Spool:
    """The spool of this process, and those that others left in the same folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / f"{ids.new()}.spool"
        self._file: BufferedRandom | None = None

    @property
    def full(self) -> bool:
        return self._file is not None and self._file.tell() >= LARGEST

    def append(self, flush: str, counted: Sequence[Counted]) -> None:
        """Write them, so that they outlast this process; raises OSError."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+b")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = file
        rows = [[digest.hex(), *place, ms, failed] for digest, place, ms, failed in counted]
        self._file.write(orjson.dumps({"flush": flush, "counted": rows}) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def clear(self) -> None:
        """Hear that all of it is stored."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Leave what is not stored to whoever takes it in next."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path = self._folder / f"{ids.new()}.spool"

    @contextmanager
    def left_over(self) -> Iterator[list[tuple[str, list[Counted]]]]:
        """Lend what the dead left, in order; it is gone when the block ends well."""
        taken: list[tuple[Path, BufferedRandom]] = []
        try:
            for path in sorted(self._folder.glob("*.spool")):
                if path == self._path:
                    continue
                file = path.open("a+b")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                    continue
                taken.append((path, file))
            yield [record for path, file in taken for record in _read(path, file)]
            for path, _ in taken:
                path.unlink(missing_ok=True)
        finally:
            for _, file in taken:
                file.close()


def _read(path: Path, file: BufferedRandom) -> Iterator[tuple[str, list[Counted]]]:
    file.seek(0)
    for line in file:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            # Torn by a death in the midst of writing: it was not acknowledged either.
            log.warning("spool_line_torn", path=path.name, bytes=len(line))
            continue
        yield (
            record["flush"],
            [
                (bytes.fromhex(digest), (start, service, endpoint), ms, failed)
                for digest, start, service, endpoint, ms, failed in record["counted"]
            ],
        )
