"""Alerts: one for each condition, raised when it has held for a while, cleared when it is over."""

import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from metrics_service.domain.windows import AggregatedMetrics

P95: Final = "p95_latency_ms"
ERROR_RATE: Final = "error_rate"
ANOMALY: Final = "p95_anomaly"
_HISTORY: Final = 120
_ENOUGH: Final = 24
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True)
class AlertThresholds:
    """From where on something is wrong, and for how long it must be so, or well again."""

    p95_ms: float = 500.0
    error_rate: float = 0.05
    least_sample: int = 20
    for_s: float = 10.0
    clear_s: float = 30.0
    anomaly: float | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that began to hold, or ended."""

    service: str
    metric: str
    value: float
    threshold: float
    raised: bool
    at: float


@dataclass(slots=True)
class _Condition:
    raised: bool = False
    since: float | None = None


@dataclass(slots=True)
class AlertManager:
    """What is known of each condition."""

    thresholds: AlertThresholds
    _conditions: dict[tuple[str, str], _Condition] = field(default_factory=dict)
    _recent: dict[str, deque[float]] = field(default_factory=dict)

    def restore(self, service: str, metric: str) -> None:
        """Hear that this alert stands."""
        self._conditions[service, metric] = _Condition(raised=True)

    def standing(self) -> set[str]:
        """Give the services that have alerts, which must be looked at though they are silent."""
        return {service for (service, _), one in self._conditions.items() if one.raised}

    def check_thresholds(
        self, service: str, metrics: AggregatedMetrics, *, now: float
    ) -> list[Alert]:
        """Look at a service's window; give what changed."""
        enough = metrics.total_requests >= self.thresholds.least_sample
        checks = [
            (P95, metrics.p95_latency_ms, self.thresholds.p95_ms),
            (ERROR_RATE, metrics.error_rate, self.thresholds.error_rate),
        ]
        if self.thresholds.anomaly is not None and enough:
            score = self._score(service, metrics.p95_latency_ms)
            checks.append((ANOMALY, score, self.thresholds.anomaly))
        changes = []
        for metric, value, threshold in checks:
            condition = self._conditions.setdefault((service, metric), _Condition())
            if self._turns(condition, wrong=enough and value > threshold, now=now):
                changes.append(Alert(service, metric, value, threshold, condition.raised, now))
            elif not condition.raised and condition.since is None:
                del self._conditions[service, metric]
        return changes

    def _turns(self, condition: _Condition, *, wrong: bool, now: float) -> bool:
        """Tell whether the condition has been otherwise for long enough; it is turned then."""
        if wrong == condition.raised:
            condition.since = None
            return False
        if condition.since is None:
            condition.since = now
        hold_s = self.thresholds.clear_s if condition.raised else self.thresholds.for_s
        if now - condition.since < hold_s:
            return False
        condition.raised, condition.since = wrong, None
        return True

    def _score(self, service: str, value: float) -> float:
        """Give how far it lies from what is usual here, in robust standard deviations."""
        recent = self._recent.setdefault(service, deque(maxlen=_HISTORY))
        score = 0.0
        if len(recent) >= _ENOUGH:
            middle = statistics.median(recent)
            spread = statistics.median(abs(one - middle) for one in recent) * _MAD_TO_SIGMA
            score = (value - middle) / max(spread, 0.05 * middle, 1.0)
        recent.append(value)
        return score
