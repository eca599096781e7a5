"""Showing the present: every service's window into Redis, and to whoever watches over them."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from fleetkit.telemetry import stamp
from metrics_service.adapters.realtime import Realtime
from metrics_service.domain.windows import AggregatedMetrics, MetricsAggregator, aggregate
from metrics_service.services import meters

SHOWN_ENDPOINTS: Final = 50

Shown = dict[str, object]


class Watcher(Protocol):
    """Whoever looks at each service's window when it was stored."""

    def begin(self) -> None:
        """Hear that the shard was taken: what others knew of it is in Postgres."""

    async def look(self, windows: Mapping[str, AggregatedMetrics], *, now: float) -> None: ...


class Display:
    """Where the present is shown."""

    def __init__(
        self,
        realtime: Realtime,
        watcher: Watcher,
        *,
        shard: int,
        now: Callable[[], float],
        window_s: int,
    ) -> None:
        self._shard = str(shard)
        self._realtime = realtime
        self._watcher = watcher
        self._now = now
        self._window_s = window_s

    def begin(self) -> None:
        self._watcher.begin()

    async def show(self, aggregator: MetricsAggregator) -> None:
        now = self._now()
        windows = {
            service: aggregate(aggregator.window(service, None, now=now), self._window_s)
            for service in aggregator.services()
        }
        await self._realtime.write(
            {
                service: {**figures(whole, now), "window_s": self._window_s,
                          "endpoints": self._endpoints(aggregator, service, now)}
                for service, whole in windows.items()
            }
        )  # fmt: skip
        meters.WINDOWS.labels(self._shard).set(aggregator.windows)
        meters.LATE.inc(aggregator.late)
        meters.FOLDED.inc(aggregator.folded)
        aggregator.late = aggregator.folded = 0
        await self._watcher.look(windows, now=now)

    def _endpoints(self, aggregator: MetricsAggregator, service: str, now: float) -> Shown:
        shown: Shown = {}
        for endpoint in aggregator.endpoints(service):
            bucket = aggregator.window(service, endpoint, now=now)
            if bucket.count and len(shown) < SHOWN_ENDPOINTS:
                shown[endpoint] = figures(aggregate(bucket, self._window_s), None)
        return shown


def figures(metrics: AggregatedMetrics, at: float | None) -> Shown:
    """Shape figures as they are shown, in Redis as at the door."""
    shown: Shown = {
        "qps": round(metrics.qps, 4),
        "avg_latency_ms": round(metrics.avg_latency_ms, 3),
        "p95_latency_ms": round(metrics.p95_latency_ms, 3),
        "p99_latency_ms": round(metrics.p99_latency_ms, 3),
        "error_rate": round(metrics.error_rate, 6),
        "total_requests": metrics.total_requests,
    }
    if at is not None:
        shown["last_updated"] = stamp(at)
    return shown
