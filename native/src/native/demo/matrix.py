"""The live matrix as lines of text: environments and targets down, tables across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from native.demo import script, wheel
from native.demo.board import Column
from native.demo.script import Table
from native.demo.views import UNSETTLED, Leg, Round

NARROWEST: Final = 76
_LABEL: Final = 8
_WIDEST_CELL: Final = 25
_ROOMY_CELL: Final = 20
_SECOND_MS: Final = 1000.0

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = 1, 2, 31, 32, 33, 34, 35, 36

_STATES: Final[Mapping[str, tuple[str, str, int]]] = {
    "pending": ("\N{HORIZONTAL ELLIPSIS}", "starting", _DIM),
    "opened": ("\N{BLACK CIRCLE}", "open", _GREEN),
    "bet_stopped": ("\N{BLACK SQUARE}", "stopped", _YELLOW),
    "dealt": ("\N{BLACK DIAMOND}", "dealt", _CYAN),
    "finished": ("\N{CHECK MARK}", "finished", _BLUE),
    "cancelled": ("\N{MULTIPLICATION SIGN}", "cancelled", _DIM),
    "failed": ("\N{MULTIPLICATION SIGN}", "failed", _RED),
}
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
    cell = min(_WIDEST_CELL, (width - _LABEL) // len(script.TABLES))
    lines = [
        " " * _LABEL + "".join(paint(_fit(each.name, cell), _BOLD) for each in script.TABLES),
        " " * _LABEL + "".join(paint(_fit(each.game, cell), _DIM) for each in script.TABLES),
        " " * _LABEL
        + "".join(
            _fit(_describe(columns[each.name], rounds, now), cell) for each in script.TABLES
        ),
    ]
    depth = max(len(table.codes) for table in script.TABLES)
    for environment in environments:
        for place in range(depth):
            label = environment + ("*" if environment == script.REQUIRED else "")
            text = "".join(
                _draw_leg(_find(columns, table, environment, place), cell, paint)
                for table in script.TABLES
            )
            lines.append(paint(_fit("" if place else label, _LABEL), _BOLD) + text)
    return [line.rstrip() for line in lines]


def _describe(column: Column, rounds: int, now: datetime) -> str:
    seen = column.round
    head = f"{column.number}/{rounds} " if column.number else ""
    if seen is None:
        return head + ("start" if column.number else "")
    if seen.result is not None:
        done = " done" if seen.state == "finished" else ""
        return f"{head}{wheel.describe(seen.result)}{done}"
    if seen.state == "open":
        return f"{head}bets open {_left(seen, now)}"
    return head + {"bet_stopped": "no more bets"}.get(seen.state, seen.state)


def _left(seen: Round, now: datetime) -> str:
    stop = seen.bets_stop_at
    return "" if stop is None else f"{max(0.0, (stop - now).total_seconds()):.1f}s"


def _find(
    columns: Mapping[str, Column], table: Table, environment: str, place: int
) -> Leg | None:
    seen = columns[table.name].round
    if seen is None or place >= len(table.codes):
        return None
    wanted = (environment, table.codes[place])
    return next((leg for leg in seen.legs if (leg.environment, leg.game_code) == wanted), None)


def _draw_leg(leg: Leg | None, width: int, paint: Paint) -> str:
    if leg is None:
        return " " * width
    if leg.outcome in _TROUBLES and leg.command is not None:
        symbol, code = _TROUBLES[leg.outcome]
        times = f" x{leg.attempts}" if leg.attempts > 1 and width >= _ROOMY_CELL else ""
        text = f"{symbol} {leg.command} {leg.outcome}{times}"
        waiting = leg.outcome in UNSETTLED and leg.attempts > 0
        return paint(_fit(text, width), _MAGENTA if waiting else code)
    symbol, word, code = _STATES.get(leg.state, ("?", leg.state, _RED))
    period = "" if leg.bet_period is None else f"{leg.bet_period}s "
    right = f"{period}{_span(leg.latency_ms):>5}"
    text = f"{symbol} {word}"
    return paint(_fit(f"{text:<{max(0, width - 1 - len(right))}}{right}", width), code)


def _span(ms: float | None) -> str:
    if ms is None:
        return ""
    return f"{ms:.0f}ms" if ms < _SECOND_MS else f"{ms / 1000:.1f}s"


def _fit(text: str, width: int) -> str:
    """Cut or fill to the width, a blank at the end."""
    return text[: width - 1].ljust(width)
