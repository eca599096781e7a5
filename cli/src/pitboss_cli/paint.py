"""Colours on a terminal, and text that can't play tricks with it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TextIO


class Ink(IntEnum):
    """The terminal's own colours."""

    PLAIN = 0
    BOLD = 1
    DIM = 2
    RED = 31
    GREEN = 32
    YELLOW = 33
    BLUE = 34
    MAGENTA = 35
    CYAN = 36


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, or none."""

    colour: bool

    def __call__(self, text: str, ink: Ink) -> str:
        if not self.colour or ink == Ink.PLAIN or not text.strip():
            return text
        return f"\033[{ink.value}m{text}\033[0m"


def choose(out: TextIO, environment: Mapping[str, str] = os.environ) -> Paint:
    plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return Paint(out.isatty() and not plain)


def tame(text: str) -> str:
    """Make control characters of somebody else's words visible instead of obeyed."""
    return "".join(each if each.isprintable() else " " if each == "\n" else "?" for each in text)
