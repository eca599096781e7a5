"""Sliding windows: for each service and endpoint the buckets of the last minute, by event time."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from metrics_service.domain.events import MetricEvent
from metrics_service.domain.failures import AggregationError
from metrics_service.domain.sketches import Sketch

OTHER: Final = "other"
"""Where endpoints and services are counted together that are too many to be told apart."""

MOST_ENDPOINTS: Final = 200
MOST_SERVICES: Final = 1000

Series: TypeAlias = tuple[str, str]
Place: TypeAlias = tuple[int, str, str]
"""A bucket's: when it begins, of which service, of which endpoint."""


@dataclass(slots=True)
class Bucket:
    """What fell into one stretch of time."""

    count: int = 0
    errors: int = 0
    total_ms: float = 0.0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, ms: float, *, failed: bool) -> None:
        self.count += 1
        self.errors += failed
        self.total_ms += ms
        self.sketch.add(ms)

    def merge(self, other: "Bucket") -> None:
        self.count += other.count
        self.errors += other.errors
        self.total_ms += other.total_ms
        self.sketch.merge(other.sketch)


@dataclass(frozen=True, slots=True)
class AggregatedMetrics:
    """Figures over one stretch of time."""

    qps: float
    avg_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float
    error_rate: float
    total_requests: int


def aggregate(bucket: Bucket, seconds: float) -> AggregatedMetrics:
    if not bucket.count:
        return AggregatedMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0)
    p95, p99 = bucket.sketch.quantiles(0.95, 0.99)
    return AggregatedMetrics(
        qps=bucket.count / seconds,
        avg_latency_ms=bucket.total_ms / bucket.count,
        p95_latency_ms=p95,
        p99_latency_ms=p99,
        error_rate=bucket.errors / bucket.count,
        total_requests=bucket.count,
    )


class MetricsAggregator:
    """All windows of one shard, and which of their buckets are not stored yet.

    A bucket is held as a whole, so it is stored by writing it over: what was stored before of
    those since `known_since` was read in when the shard was taken.
    """

    def __init__(self, *, window_s: int = 60, bucket_s: int = 5, now: float) -> None:
        self.window_s = window_s
        self.bucket_s = bucket_s
        self.late = 0
        self.folded = 0
        self._keep_s = window_s + 2 * bucket_s
        self.known_since = self.start_of(now - self._keep_s)
        self._series: dict[Series, dict[int, Bucket]] = {}
        self._endpoints: dict[str, set[str]] = {}
        self._dirty: set[Place] = set()
        self._missing: set[Place] = set()

    def start_of(self, at: float) -> int:
        return math.floor(at / self.bucket_s) * self.bucket_s

    def restore(self, stored: Mapping[Place, Bucket]) -> None:
        """Lay what is stored under what has come since."""
        for (start, service, endpoint), bucket in stored.items():
            buckets = self._buckets((service, endpoint))
            if start in buckets:
                buckets[start].merge(bucket)
            else:
                buckets[start] = bucket
        self._missing.difference_update(stored)

    def add(self, event: MetricEvent, *, now: float) -> Place:
        """Count it, and tell in which bucket."""
        series = self._name(event.service, event.endpoint)
        start = self.start_of(event.at)
        if now >= start + 2 * self.bucket_s:
            self.late += 1
        buckets = self._buckets(series)
        bucket = buckets.get(start)
        place = (start, *series)
        if bucket is None:
            bucket = buckets[start] = Bucket()
            if start < self.known_since:
                self._missing.add(place)
        bucket.add(event.ms, failed=event.failed)
        self._dirty.add(place)
        return place

    def _buckets(self, series: Series) -> dict[int, Bucket]:
        buckets = self._series.get(series)
        if buckets is None:
            buckets = self._series[series] = {}
            self._endpoints.setdefault(series[0], set()).add(series[1])
        return buckets

    def _name(self, service: str, endpoint: str) -> Series:
        """Keep the number of windows in bounds."""
        known = self._endpoints.get(service)
        if known is None:
            if len(self._endpoints) < MOST_SERVICES:
                return service, endpoint
            self.folded += 1
            return OTHER, OTHER
        if endpoint in known or len(known) < MOST_ENDPOINTS:
            return service, endpoint
        self.folded += 1
        return service, OTHER

    @property
    def dirty(self) -> int:
        return len(self._dirty)

    @property
    def windows(self) -> int:
        return len(self._series)

    def missing(self) -> set[Place]:
        """Tell which buckets may be stored in part already; restore them before taking dirty."""
        return set(self._missing)

    def found(self, places: Iterable[Place]) -> None:
        """Hear that these were looked for."""
        self._missing.difference_update(places)

    def take_dirty(self) -> dict[Place, Bucket]:
        """Give what is to be stored, as it stands now; it counts as stored until told otherwise."""
        if self._missing:
            raise AggregationError("What is stored of a bucket has yet to be read.")
        taken = {place: self._series[place[1:]][place[0]] for place in self._dirty}
        self._dirty = set()
        return taken

    def not_stored(self, places: Iterable[Place]) -> None:
        self._dirty.update(places)

    def forget(self, now: float) -> None:
        """Drop the buckets that are stored and past every window, and windows with none left."""
        oldest = self.start_of(now - self._keep_s)
        self.known_since = max(self.known_since, oldest)
        for series, buckets in list(self._series.items()):
            for start in [start for start in buckets if start < oldest]:
                if (start, *series) not in self._dirty:
                    del buckets[start]
            if not buckets:
                del self._series[series]
                self._endpoints[series[0]].discard(series[1])
                if not self._endpoints[series[0]]:
                    del self._endpoints[series[0]]

    def services(self) -> Iterator[str]:
        yield from list(self._endpoints)

    def endpoints(self, service: str) -> list[str]:
        return sorted(self._endpoints.get(service, ()))

    def window(self, service: str, endpoint: str | None, *, now: float) -> Bucket:
        """Merge the window that ends now, of one endpoint or of the whole service."""
        first = self.start_of(now) - self.window_s + self.bucket_s
        merged = Bucket()
        for one in self._endpoints.get(service, ()) if endpoint is None else (endpoint,):
            for start, bucket in self._series.get((service, one), {}).items():
                if first <= start <= now:
                    merged.merge(bucket)
        return merged
