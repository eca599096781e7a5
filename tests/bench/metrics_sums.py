"""What is reckoned for one event, beside the plain ways to do it, and how right it is."""

import random
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from bench.figures import at_most
from bench.scenario import Bar, Chart, Grid, Point
from metrics_service.domain.events import MetricEvent
from metrics_service.domain.windows import MetricsAggregator, aggregate

_SHARES: Final = (0.5, 0.95, 0.99)
_SERVICES: Final = (1, 10, 100, 1000)
_WINDOW_S: Final = 60.0
_LOOKS: Final = 12  # of the window, as once in 5 s of a minute
_BOUNDS: Final = tuple(bound * 1000 for bound in Histogram.DEFAULT_BUCKETS[:-1])
Feed = Callable[[Sequence[MetricEvent]], None]


def measure(events: int) -> tuple[list[Bar], list[Chart], list[Grid]]:
    """Give the bars, the curve over services, and the table beside the others."""
    curves: dict[str, list[Point]] = {name: [] for name in _WAYS}
    for services in _SERVICES:
        given = _draw(events, services)
        for name, make in _WAYS.items():
            curves[name].append((float(services), _cost_us(make(), given)))
    ours = max(cost for _, cost in curves[_OURS])
    others = ", ".join(
        f"{name} {curve[0][1]:.1f} us" for name, curve in curves.items() if name != _OURS
    )
    wrong = _wrong(events)
    worst = max(one for mine, _ in wrong.values() for one in mine)
    bars = [
        at_most("P8", "window update, costliest of 1 to 1000 services", ours, 20, "us",
                note=f"with one service beside it: {others}"),
        at_most("P8", "percentiles off the exact, worst", 100 * worst, 1, "%",
                note="p50, p95, p99 of lognormal, bimodal and constant"),
    ]  # fmt: skip
    chart = Chart(
        "metrics-services",
        "Cost of an event as services grow",
        "services",
        "us",
        curves,
        log_x=True,
    )
    rows = [
        [name, *(f"{100 * one:.2f} %" for one in (*mine, *theirs))]
        for name, (mine, theirs) in wrong.items()
    ]
    header = [
        "",
        *(f"{way} p{100 * share:.0f}" for way in ("ours", "histogram") for share in _SHARES),
    ]
    return bars, [chart], [Grid("Percentiles, how far off the exact", header, rows)]


def _draw(events: int, services: int) -> list[MetricEvent]:
    now, dice = time.time(), random.Random(7)  # the same figures each time
    return [
        _event(now - dice.random() * 50, f"s-{n % services}", dice.lognormvariate(3, 1))
        for n in range(events)
    ]


def _event(at: float, service: str, ms: float) -> MetricEvent:
    return MetricEvent(at=at, service=service, endpoint="/", ms=ms, failed=False, id=None)


def _cost_us(feed: Feed, events: Sequence[MetricEvent]) -> float:
    """Give the least of three, as noise only adds."""
    least = float("inf")
    for _ in range(3):
        began = time.process_time()
        feed(events)
        least = min(least, time.process_time() - began)
    return least / len(events) * 1e6


def _sketches() -> Feed:
    def feed(events: Sequence[MetricEvent]) -> None:
        now = time.time()
        aggregator = MetricsAggregator(now=now)
        for part in _parts(events):
            for event in part:
                aggregator.add(event, now=now)
            for service in aggregator.services():
                aggregate(aggregator.window(service, None, now=now), _WINDOW_S)

    return feed


def _lists() -> Feed:
    """Keep every value of the minute, and sort them at each look."""

    def feed(events: Sequence[MetricEvent]) -> None:
        windows: dict[str, deque[tuple[float, float]]] = {}
        now = time.time()
        for part in _parts(events):
            for event in part:
                values = windows.setdefault(event.service, deque())
                values.append((event.at, event.ms))
            for values in windows.values():
                recent = sorted(ms for at, ms in values if at > now - _WINDOW_S)
                _ = [recent[int(share * (len(recent) - 1))] for share in _SHARES]

    return feed


def _histograms() -> Feed:
    def feed(events: Sequence[MetricEvent]) -> None:
        made = Histogram("x", "x", ["service"], registry=CollectorRegistry())
        for event in events:
            made.labels(event.service).observe(event.ms / 1000)

    return feed


_OURS: Final = "ours"
_WAYS: Final[Mapping[str, Callable[[], Feed]]] = {
    _OURS: _sketches,
    "lists of values": _lists,
    "prometheus_client": _histograms,
}


def _parts(events: Sequence[MetricEvent]) -> list[Sequence[MetricEvent]]:
    size = -(-len(events) // _LOOKS)
    return [events[at : at + size] for at in range(0, len(events), size)]


def _wrong(count: int) -> dict[str, tuple[list[float], list[float]]]:
    """Give how far off each share is, ours and a histogram's, by distribution."""
    dice = random.Random(11)
    peaks = [(5.0, 0.5)] * 9 + [(800.0, 40.0)]
    drawn = {
        "lognormal": [dice.lognormvariate(3, 1) for _ in range(count)],
        "bimodal": [dice.gauss(*dice.choice(peaks)) for _ in range(count)],
        "constant": [42.0] * count,
    }
    found = {}
    for name, values in drawn.items():
        exact = sorted(values)
        now = time.time()
        aggregator = MetricsAggregator(now=now)
        for ms in values:
            aggregator.add(_event(now, "s", ms), now=now)
        sketch = aggregator.window("s", None, now=now).sketch
        ours, theirs = [], []
        for share, value in zip(_SHARES, sketch.quantiles(*_SHARES), strict=True):
            right = exact[int(share * (count - 1))]
            ours.append(abs(value - right) / right)
            theirs.append(abs(_estimate(exact, share) - right) / right)
        found[name] = (ours, theirs)
    return found


def _estimate(exact: Sequence[float], share: float) -> float:
    """Reckon as histogram_quantile does, from the usual buckets."""
    rank = share * len(exact)
    below = [(0.0, 0), *((bound, bisect_left(exact, bound)) for bound in _BOUNDS)]
    for (low, before), (high, upto) in pairwise(below):
        if upto >= rank:
            return low + (high - low) * (rank - before) / max(1, upto - before)
    return _BOUNDS[-1]
