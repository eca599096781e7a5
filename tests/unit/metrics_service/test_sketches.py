import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_service.domain.sketches import Sketch

latencies = st.lists(st.floats(0, 3_600_000, allow_nan=False), min_size=1, max_size=200)


def exact(values: list[float], part: float) -> float:
    return sorted(values)[math.floor(part * (len(values) - 1))]


def sketch_of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(latencies)
def test_any_percentile_is_within_one_percent(values: list[float]) -> None:
    for part in (0.0, 0.5, 0.95, 0.99, 1.0):
        [found] = sketch_of(values).quantiles(part)
        true = exact(values, part)
        assert abs(found - true) <= 0.0101 * true + 0.001


@given(latencies, latencies)
def test_merged_sketches_are_the_sketch_of_all(one: list[float], other: list[float]) -> None:
    merged = sketch_of(one)
    merged.merge(sketch_of(other))
    assert merged.bins == sketch_of(one + other).bins
    assert Sketch.unpack(merged.pack()).bins == merged.bins


@pytest.mark.parametrize("kind", ["lognormal", "bimodal", "constant"])
def test_percentiles_hold_on_the_usual_shapes(kind: str) -> None:
    draw = random.Random(8)
    shapes = {
        "lognormal": lambda: draw.lognormvariate(3, 1),
        "bimodal": lambda: draw.gauss(10, 1) if draw.random() < 0.9 else draw.gauss(400, 20),
        "constant": lambda: 42.0,
    }
    values = [abs(shapes[kind]()) for _ in range(20_000)]
    quantiles = statistics.quantiles(values, n=100)
    p95, p99 = sketch_of(values).quantiles(0.95, 0.99)
    assert p95 == pytest.approx(quantiles[94], rel=0.012)
    assert p99 == pytest.approx(quantiles[98], rel=0.012)


def test_nothing_has_no_percentiles() -> None:
    assert Sketch().quantiles(0.5, 0.99) == (0.0, 0.0)
