"""What is reckoned from the samples: percentiles, medians, straight lines, shares."""

from collections.abc import Callable, Sequence
from math import ceil
from statistics import linear_regression, median
from typing import TypeVar

from bench.scenario import Bar, Point

Measured = TypeVar("Measured")


def percentile(values: Sequence[float], share: float) -> float:
    """Give the nearest rank, which was measured and not made up."""
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, ceil(len(values) * share) - 1)]


def median_of(runs: Sequence[Measured], figure: Callable[[Measured], float]) -> float:
    return median(map(figure, runs))


def r_squared(points: Sequence[Point]) -> float:
    """Tell how straight the points lie: 1 is a line."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    slope, intercept = linear_regression(xs, ys)
    middle = sum(ys) / len(ys)
    around = sum((y - middle) ** 2 for y in ys)
    off = sum((y - intercept - slope * x) ** 2 for x, y in points)
    return 1 - off / around if around else 1.0


def at_most(
    id_: str, name: str, value: float | None, limit: float, unit: str, *, note: str = ""
) -> Bar:
    """Make a bar that is met up to a limit."""
    met = None if value is None else value <= limit
    return Bar(id_, name, value, unit, f"<= {limit:g} {unit}".strip(), met=met, note=note)


def at_least(
    id_: str, name: str, value: float | None, limit: float, unit: str, *, note: str = ""
) -> Bar:
    """Make a bar that is met from a limit on."""
    met = None if value is None else value >= limit
    return Bar(id_, name, value, unit, f">= {limit:g} {unit}".strip(), met=met, note=note)
