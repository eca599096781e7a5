"""A file that another program logs to, such as nginx, read as it grows and sent as lines."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY_S: Final = 0.5
MOST: Final = 1 << 20
# What we caused ourselves: a line for each line sent would be no news to anybody.
_OWN: Final = (b'"url.path":"/logs', b'"url.path":"/devices')


class Follower:
    """Reads from the end of the file as it stood at the start; a new one from its beginning."""

    def __init__(self, path: Path, take: Callable[[bytes], None]) -> None:
        self._path = path
        self._take = take
        self._file: int | None = None
        self._at = 0
        self._rest = b""

    async def run(self) -> None:
        await asyncio.to_thread(self._begin)
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.look)

    def _begin(self) -> None:
        try:
            status = self._path.stat()
        except OSError:
            return
        self._file, self._at = status.st_ino, status.st_size

    def look(self) -> None:
        """Take the lines that came since the last look."""
        try:
            status = self._path.stat()
            if status.st_ino != self._file or status.st_size < self._at:
                self._file, self._at, self._rest = status.st_ino, 0, b""
            with self._path.open("rb") as file:
                file.seek(self._at)
                text = file.read(MOST)
        except OSError:
            return
        self._at += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            if line.startswith(b"{") and not any(own in line for own in _OWN):
                self._take(line)
