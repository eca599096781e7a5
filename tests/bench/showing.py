"""The table of bars, as it is printed and as it is written."""

from collections.abc import Iterator, Sequence
from typing import Any

from bench.machine import Machine
from bench.scenario import Bar, Grid

_HEADER = ("bar", "what", "measured", "to reach", "", "beside", "ratio")
_WORDS = {True: "met", False: "MISSED", None: ""}


def number(value: float) -> str:
    """Write three figures that count, and no more."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cells(bar: Bar) -> tuple[str, ...]:
    measured = "-" if bar.value is None else f"{number(bar.value)} {bar.unit}".strip()
    ratio = "" if bar.ratio is None else f"{number(bar.ratio)}x"
    return (bar.id, bar.name, measured, bar.bar, _WORDS[bar.met], bar.peer or "", ratio)


def show(bars: Sequence[Bar]) -> list[str]:
    """Lay the bars out in columns, each note on a line below its bar."""
    lines = _columns([_HEADER, *map(_cells, bars)])
    shown = [lines[0]]
    for line, bar in zip(lines[1:], bars, strict=True):
        shown.append(line)
        if bar.note:
            shown.append(f"       {bar.note}")
    return shown


def lay(grid: Grid) -> list[str]:
    """Lay a small table out in columns, under its title."""
    return ["", grid.title, *_columns([grid.header, *grid.rows])]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def count(bars: Sequence[Bar]) -> str:
    """Say how many were met."""
    judged = [bar for bar in bars if bar.met is not None]
    missed = [bar for bar in judged if not bar.met]
    words = f"{len(judged) - len(missed)} of {len(judged)} bars met"
    return (
        f"{words}; missed: {', '.join(dict.fromkeys(bar.id for bar in missed))}"
        if missed
        else words
    )


def markdown(bars: Sequence[Bar]) -> Iterator[str]:
    yield f"| {' | '.join(_HEADER)} |"
    yield f"| {' | '.join('---' for _ in _HEADER)} |"
    for bar in bars:
        cells = list(_cells(bar))
        if bar.note:
            cells[1] += f" ({bar.note})"
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def write_json(machine: Machine, commit: str, bars: Sequence[Bar]) -> dict[str, Any]:
    fields = ("id", "name", "value", "unit", "bar", "peer", "ratio", "met")
    return {
        "machine": machine.write(),
        "commit": commit,
        "bars": [{field: getattr(bar, field) for field in fields} for bar in bars],
    }
