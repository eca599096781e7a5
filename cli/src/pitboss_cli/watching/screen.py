"""Where the live matrix is shown: a picture that moves on a terminal, lines anywhere else."""

import json
import shutil
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol, TextIO

from pitboss_cli import moments
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.rounds import Document, troubles
from pitboss_cli.watching.board import Board
from pitboss_cli.watching.stream import Event

_TAIL: Final = 5
_AROUND: Final = 4  # lines beside the tables and the tail
_BARE: Final = ("kind", "outcome")
_LEFT_OUT: Final = frozenset(
    {
        *("type", "environment", "state", "command", "delivery", "attempts"),
        *("opened_at", "bet_stop_at", "bet_period", "auto_bet_stop", "external_round_id"),
    }
)
"""What --json has and a line for people has no room for."""


class Screen(Protocol):
    """Is told what happens."""

    def event(self, event: Event) -> None: ...

    def round(self, found: Document, *, polled: bool) -> None: ...

    def refresh(self, board: Board) -> None: ...

    def close(self) -> None: ...


def describe(event: Event) -> str:
    """Put an event into a line."""
    told = event.document
    data = told.get("data")
    words = [
        moments.show(told.get("at")),
        event.type,
        *[str(told[name]) for name in ("table", "environment", "round") if told.get(name)],
        _flat(data) if isinstance(data, dict) else "",
    ]
    return tame("  ".join(filter(None, words)))


def _flat(data: dict[str, object]) -> str:
    simple = (str, int, float, bool)
    words = [str(data[name]) for name in _BARE if isinstance(data.get(name), str)]
    words += [
        f"{name}={value}"
        for name, value in data.items()
        if isinstance(value, simple) and name not in _BARE and name not in _LEFT_OUT
    ]
    return " ".join(words)


@dataclass(slots=True)
class Lines:
    """A line for each event; where there are none, for each change of a round."""

    out: TextIO
    as_json: bool

    def event(self, event: Event) -> None:
        self._write(json.dumps(event.document) if self.as_json else describe(event))

    def round(self, found: Document, *, polled: bool) -> None:
        if not polled:
            return
        if self.as_json:
            self._write(json.dumps(found))
            return
        words = [str(found[name]) for name in ("table", "round", "state", "outcome")]
        now = moments.show(moments.write(datetime.now(UTC)))
        self._write(tame("  ".join([now, *words, ", ".join(troubles(found))])).rstrip())

    def refresh(self, board: Board) -> None:
        pass

    def close(self) -> None:
        pass

    def _write(self, line: str) -> None:
        self.out.write(line + "\n")
        self.out.flush()


@dataclass(slots=True)
class Moving:
    """The whole board, drawn again in place."""

    out: TextIO
    paint: Paint
    title: str
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    _begun: bool = False

    def event(self, event: Event) -> None:
        self._tail.append(describe(event))

    def round(self, found: Document, *, polled: bool) -> None:
        pass

    def refresh(self, board: Board) -> None:
        if not self._begun:
            self._begun = True
            self.out.write("\033[?1049h\033[?25l")  # a page of its own, without a cursor
        width, height = shutil.get_terminal_size()
        now = datetime.now(UTC)
        room = max(1, height - _AROUND - _TAIL)
        head = f"{self.title}  {now.astimezone():%H:%M:%S}  Ctrl-C ends"
        lines = [self.paint(head[:width], Ink.BOLD), "", *board.draw(now, self.paint, room), ""]
        lines += [self.paint(line[:width], Ink.DIM) for line in self._tail]
        page = "".join(f"{line}\033[K\r\n" for line in lines[: height - 1])
        # Without line wrap, so that a row wider than the terminal is cut and not folded.
        self.out.write(f"\033[?7l\033[H{page}\033[J\033[?7h")
        self.out.flush()

    def close(self) -> None:
        if self._begun:
            self.out.write("\033[?25h\033[?1049l")
            self.out.flush()
