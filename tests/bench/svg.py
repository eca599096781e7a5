"""Charts as SVG: lines over one axis, readable on white and on black."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

from bench.scenario import Chart
from bench.showing import number

_WIDTH: Final = 760
_HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 44, 84
_COLOURS: Final = ("#2f7ed8", "#d9822b", "#2a9d62", "#b5486f", "#7a5cc7", "#7d8590")
_GREY: Final = "#7d8590"
_LEGEND_ROW: Final = 3
Place = Callable[[float], float]


def draw(chart: Chart) -> str:
    """Draw it; every label is text, so that it can be found and read aloud."""
    xs = [x for points in chart.series.values() for x, _ in points]
    ys = [y for points in chart.series.values() for _, y in points]
    across, x_ticks = _axis(xs, _LEFT, _WIDTH - _RIGHT, log=chart.log_x)
    up, y_ticks = _axis(ys, _HEIGHT - _BOTTOM, _TOP, log=chart.log_y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f'aria-label="{escape(chart.title)}" font-family="sans-serif" font-size="12">',
        f'<text x="{_LEFT}" y="22" font-size="14" fill="{_GREY}">{escape(chart.title)}</text>',
        *_grid(across, x_ticks, up, y_ticks),
        *_labels(chart),
        *_lines(chart, across, up),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(
    values: Sequence[float], start: float, end: float, *, log: bool
) -> tuple[Place, list[float]]:
    """Give where a value lies on the axis, and the values that are written along it."""
    least, most = min(values, default=0.0), max(values, default=1.0)
    if log and least > 0:
        low, high = floor(log10(least)), ceil(log10(most))
        high = max(high, low + 1)
        ticks = [10.0**power for power in range(low, high + 1)]
        return lambda value: start + (end - start) * (log10(value) - low) / (high - low), ticks
    lowest = min(0.0, least)
    step = _step(most - lowest)
    bottom = floor(lowest / step) * step
    count = max(1, ceil((most - bottom) / step - 1e-9))
    top = bottom + count * step
    ticks = [bottom + step * place for place in range(count + 1)]
    return lambda value: start + (end - start) * (value - bottom) / (top - bottom), ticks


def _step(span: float) -> float:
    """Give a round step of which about five fit."""
    if span <= 0:
        return 1.0
    power = 10.0 ** floor(log10(span / 5))
    return next(power * one for one in (1, 2, 5, 10) if span / (power * one) <= 6)


def _grid(across: Place, xs: list[float], up: Place, ys: list[float]) -> Iterator[str]:
    for value in ys:
        at = up(value)
        yield (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="{_GREY}" stroke-opacity="0.3"/>'
        )
        yield _text(_LEFT - 8, at + 4, number(value), "end")
    for value in xs:
        at = across(value)
        low = _HEIGHT - _BOTTOM
        yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{low}" y2="{low + 5}" stroke="{_GREY}"/>'
        yield _text(at, low + 20, number(value), "middle")


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{_GREY}">{escape(words)}</text>'


def _labels(chart: Chart) -> Iterator[str]:
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM + 38, chart.x_label, "middle")
    yield _text(8, _TOP - 8, chart.y_label)


def _lines(chart: Chart, across: Place, up: Place) -> Iterator[str]:
    for place, (label, points) in enumerate(chart.series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        if len(points) <= 20:
            yield from (
                f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"/>'
                for x, y in points
            )
        row, column = divmod(place, _LEGEND_ROW)
        x, y = _LEFT + column * 230, _HEIGHT - 28 + row * 18
        yield f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>'
        yield _text(x + 16, y, label)
