"""Aligned columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pitboss_cli.paint import Ink, Paint, tame


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and its colour."""

    text: str
    ink: Ink = Ink.PLAIN


Row: TypeAlias = Sequence["Cell | str | int | float | None"]


def _cell(value: "Cell | str | float | None") -> Cell:
    if isinstance(value, Cell):
        return Cell(tame(value.text), value.ink)
    if value is None or value == "":
        return Cell("-", Ink.DIM)
    return Cell(tame(str(value)))


def draw(head: Sequence[str], rows: Sequence[Row], paint: Paint) -> list[str]:
    """Give a line for the head and one for each row; the last column is as long as it is."""
    lines = [[Cell(name, Ink.DIM) for name in head]]
    lines += [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[column].text) for line in lines) for column in range(len(head))]
    return ["  ".join(_pad(line, widths, paint)).rstrip() for line in lines]


def _pad(line: Sequence[Cell], widths: Sequence[int], paint: Paint) -> list[str]:
    last = len(line) - 1
    return [
        paint(cell.text, cell.ink) + " " * (0 if place == last else width - len(cell.text))
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
