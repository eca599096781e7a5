"""A file that another program logs to, such as nginx, read as it grows and sent as lines."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

EVERY_S: Final = 0.5
MOST: Final = 1 << 20
# What we caused ourselves: a line for each line sent would be no news to anybody.
_OWN: Final = (b'"url.path":"/logs', b'"url.path":"/devices')


class Follower:
    """Reads from the end of the file as it stood at the start; a new one from its beginning.

    Of several that follow the same one does, the others wait until it is gone.
    """

    def __init__(self, path: Path, take: Callable[[bytes], None]) -> None:
        self._path = path
        self._take = take
        self._file: int | None = None
        self._folder: int | None = None
        self._rest = b""

    async def run(self) -> None:
        follows = False
        try:
            while True:
                if follows:
                    await asyncio.to_thread(self.look)
                else:
                    follows = await asyncio.to_thread(self._begin)
                await asyncio.sleep(EVERY_S)
        finally:
            self.close()

    def close(self) -> None:
        for file in (self._file, self._folder):
            if file is not None:
                os.close(file)
        self._file = self._folder = None

    def _begin(self) -> bool:
        """Be the one who follows; False while another is."""
        try:
            self._folder = self._folder or os.open(self._path.parent, os.O_RDONLY)
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        with suppress(OSError):
            self._file = os.open(self._path, os.O_RDONLY)
            os.lseek(self._file, 0, os.SEEK_END)
        return True

    def look(self) -> None:
        """Take the lines that came since the last look; of a file put away, all that it has."""
        more = self._read()
        with suppress(OSError):
            now = self._path.stat()
            had = None if self._file is None else os.fstat(self._file)
            if had is None or now.st_ino != had.st_ino:
                if more:
                    return
                new = os.open(self._path, os.O_RDONLY)
                if self._file is not None:
                    os.close(self._file)
                self._file, self._rest = new, b""
                self._read()
            elif self._file is not None and now.st_size < os.lseek(self._file, 0, os.SEEK_CUR):
                os.lseek(self._file, 0, os.SEEK_SET)
                self._rest = b""
                self._read()

    def _read(self) -> bool:
        """Tell whether there may be more."""
        if self._file is None:
            return False
        text = os.read(self._file, MOST)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            if line.startswith(b"{") and not any(own in line for own in _OWN):
                self._take(line)
        return len(text) == MOST
