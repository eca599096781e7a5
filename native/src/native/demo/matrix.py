"""The live matrix as lines of text: environments and targets down, tables across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from native.demo import script, wheel
from native.demo.board import Column
from native.demo.views import UNSETTLED, Leg, Round

NARROWEST: Final = 76
_BLOCK: Final = 3  # lines above the first environment
_WIDEST_CELL: Final = 25
_ROOMY_CELL: Final = 20
_SECOND_MS: Final = 1000.0

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = 1, 2, 31, 32, 33, 34, 35, 36

_STATES: Final[Mapping[str, tuple[str, str, str, int]]] = {
    "pending": ("\N{HORIZONTAL ELLIPSIS}", "starting", "start", _DIM),
    "opened": ("\N{BLACK CIRCLE}", "open", "open", _GREEN),
    "bet_stopped": ("\N{BLACK SQUARE}", "stopped", "stop", _YELLOW),
    "dealt": ("\N{BLACK DIAMOND}", "dealt", "dealt", _CYAN),
    "finished": ("\N{CHECK MARK}", "finished", "done", _BLUE),
    "cancelled": ("\N{MULTIPLICATION SIGN}", "cancelled", "off", _DIM),
    "failed": ("\N{MULTIPLICATION SIGN}", "failed", "fail", _RED),
}
"""Symbol, word, the word where there is little room, colour."""

_TROUBLES: Final[Mapping[str, tuple[str, int]]] = {
    "pending": ("\N{HORIZONTAL ELLIPSIS}", _DIM),
    "unknown": ("?", _MAGENTA),
    "not_sent": ("!", _MAGENTA),
    "rejected": ("\N{MULTIPLICATION SIGN}", _RED),
    "expired": ("\N{MULTIPLICATION SIGN}", _RED),
}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours, or none."""

    colour: bool

    def __call__(self, text: str, code: int) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour and text.strip() else text


def count_lines(environments: int) -> int:
    return _BLOCK + environments * _depth()


def draw(
    columns: Mapping[str, Column],
    environments: Sequence[str],
    *,
    rounds: int,
    width: int,
    colour: bool,
    now: datetime,
) -> list[str]:
    """Give the lines of the matrix, none wider than `width`."""
    paint = Paint(colour)
    label = max(map(len, environments)) + 3
    cell = min(_WIDEST_CELL, (width - label) // len(script.TABLES))
    heads = (
        "".join(paint(_fit(each.name, cell), _BOLD) for each in script.TABLES),
        "".join(paint(_fit(each.game, cell), _DIM) for each in script.TABLES),
        "".join(_fit(_describe(columns[each.name], rounds, now), cell) for each in script.TABLES),
    )
    lines = [" " * label + head for head in heads]
    for environment in environments:
        name = environment + ("*" if environment == script.REQUIRED else "")
        for place in range(_depth()):
            cells = (
                _draw_cell(columns[table.name], (environment, table.codes[place]), cell, paint)
                if place < len(table.codes)
                else " " * cell
                for table in script.TABLES
            )
            lines.append(paint(_fit("" if place else name, label), _BOLD) + "".join(cells))
    return [line.rstrip() for line in lines]


def _depth() -> int:
    return max(len(table.codes) for table in script.TABLES)


def _describe(column: Column, rounds: int, now: datetime) -> str:
    seen = column.round
    head = f"{column.number}/{rounds} " if column.number else ""
    if seen is None:
        return head + ("start" if column.number else "")
    if seen.result is not None:
        done = " done" if seen.state == "finished" else ""
        return f"{head}{wheel.describe(seen.result)}{done}"
    if seen.state == "open":
        return f"{head}bets {_left(seen, now)}"
    return head + {"bet_stopped": "no more bets"}.get(seen.state, seen.state)


def _left(seen: Round, now: datetime) -> str:
    stop = seen.bets_stop_at
    return "" if stop is None else f"{max(0.0, (stop - now).total_seconds()):.1f}s"


def _draw_cell(column: Column, target: tuple[str, str], width: int, paint: Paint) -> str:
    if column.round is None:
        return paint(_fit(_STATES["pending"][0] if column.number else "", width), _DIM)
    found = (leg for leg in column.round.legs if (leg.environment, leg.game_code) == target)
    leg = next(found, None)
    return " " * width if leg is None else _draw_leg(leg, width, paint)


def _draw_leg(leg: Leg, width: int, paint: Paint) -> str:
    roomy = width >= _ROOMY_CELL
    trouble = _TROUBLES.get(leg.outcome or "")
    if trouble is not None:
        symbol, code = trouble
        times = f" x{leg.attempts}" if leg.attempts > 1 and roomy else ""
        text = f"{symbol} {leg.command} {leg.outcome}{times}"
        waiting = leg.outcome in UNSETTLED and leg.attempts > 0
        return paint(_fit(text, width), _MAGENTA if waiting else code)
    symbol, word, short, code = _STATES.get(leg.state, ("?", leg.state, leg.state, _RED))
    period = "" if leg.bet_period is None else f"{leg.bet_period}s "
    right = f"{period}{_span(leg.latency_ms):>5}"
    text = f"{symbol} {word if roomy else short}"
    return paint(_fit(f"{text:<{max(0, width - 1 - len(right))}}{right}", width), code)


def _span(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.0f}ms" if ms < _SECOND_MS else f"{ms / 1000:.1f}s"


def _fit(text: str, width: int) -> str:
    """Cut or fill to the width, a blank at the end."""
    return text[: width - 1].ljust(width)
