"""Where the demo is watched: a matrix that moves on a terminal, lines in a pipe."""

import asyncio
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, TextIO

from native.demo import matrix

_FRAME_SECONDS: Final = 0.12
_TAIL: Final = 6
_BLANKS: Final = 2
_PIPE_WIDTH: Final = 100
_HIDE, _SHOW = "\033[?25l", "\033[?25h"


class Draw(Protocol):
    """Gives the matrix for a width, in colour or not."""

    def __call__(self, width: int, *, colour: bool) -> list[str]: ...


@dataclass(slots=True)
class Screen:
    """Plain lines, each as it is said."""

    out: TextIO
    quiet: bool = False
    began: float = field(default_factory=time.monotonic)

    def stamp(self, text: str) -> str:
        return f"[{time.monotonic() - self.began:5.2f}s] {text}"

    def say(self, text: str) -> None:
        if not self.quiet:
            self.out.write(f"{self.stamp(text)}\n")
            self.out.flush()

    def show(self, lines: list[str]) -> None:
        if not self.quiet:
            self.out.write("".join(f"{line}\n" for line in lines))
            self.out.flush()

    @contextmanager
    def watching(self, draw: Draw) -> Iterator[None]:
        """Show what is drawn: here once, at the end."""
        yield
        self.show(["", *draw(_PIPE_WIDTH, colour=False)])


@dataclass(slots=True)
class Live(Screen):
    """The matrix redrawn in place, the newest of what is said below it."""

    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    height: int = 0

    def say(self, text: str) -> None:
        self.tail.append(self.stamp(text))
        if not self.height:
            self.show([self.stamp(text)])

    @contextmanager
    def watching(self, draw: Draw) -> Iterator[None]:
        self.tail.clear()
        self.out.write(_HIDE)
        moving = asyncio.create_task(self._move(draw), name="matrix")
        try:
            yield
        finally:
            moving.cancel()
            self._paint(draw)
            self.out.write(_SHOW)
            self.out.flush()
            self.height = 0

    async def _move(self, draw: Draw) -> None:
        with suppress(BlockingIOError):  # a terminal too slow for a frame gets the next one
            while True:
                self._paint(draw)
                await asyncio.sleep(_FRAME_SECONDS)

    def _paint(self, draw: Draw) -> None:
        width = shutil.get_terminal_size().columns - 1
        said = [line[:width] for line in self.tail]
        lines = ["", *draw(width, colour=True), "", *said, *[""] * (_TAIL - len(said))]
        up = f"\033[{self.height}A\r" if self.height else "\r"
        self.out.write(up + "".join(f"\033[2K{line}\n" for line in lines))
        self.out.flush()
        self.height = len(lines)


def choose(
    environments: int, out: TextIO = sys.stdout, settings: Mapping[str, str] = os.environ
) -> Screen:
    """Move on a terminal that is large enough and wants colour; else print lines."""
    size = shutil.get_terminal_size()
    height = matrix.count_lines(environments) + _TAIL + _BLANKS
    fits = size.columns > matrix.NARROWEST and size.lines > height
    plain = settings.get("NO_COLOR") or settings.get("TERM", "dumb") == "dumb"
    return Live(out) if out.isatty() and fits and not plain else Screen(out)
