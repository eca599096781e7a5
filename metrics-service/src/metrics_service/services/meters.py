"""What the service counts of itself."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SHARD: Final = ("shard",)

PROCESSED: Final = Counter("pitboss_metrics_events", "Events by what became of them.", ["outcome"])
LATE: Final = Counter(
    "pitboss_metrics_late_events",
    "Events that came more than one bucket late; counted all the same.",
)
FOLDED: Final = Counter(
    "pitboss_metrics_folded_events",
    "Events counted under `other`, as there were too many endpoints.",
)
WINDOWS: Final = Gauge("pitboss_metrics_windows", "Sliding windows held, one per endpoint.", _SHARD)
PENDING: Final = Gauge(
    "pitboss_metrics_pending_events", "Events counted here and not stored yet.", _SHARD
)
LAG: Final = Gauge(
    "pitboss_metrics_lag_seconds", "How long the last event had waited when it was counted.", _SHARD
)
FLUSH: Final = Histogram("pitboss_metrics_flush_seconds", "How long storing took.")
FLUSH_FAILURES: Final = Counter("pitboss_metrics_flush_failures", "Storings that failed.")
OWNED: Final = Gauge(
    "pitboss_metrics_shards_owned", "Whether this instance counts the shard.", _SHARD
)
