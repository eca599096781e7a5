from metrics_service.domain.alerts import ANOMALY, AlertManager, AlertThresholds
from metrics_service.domain.windows import AggregatedMetrics


def figures(p95: float = 10.0, errors: float = 0.0, total: int = 1000) -> AggregatedMetrics:
    return AggregatedMetrics(10.0, 5.0, p95, p95, errors, total)


def looks(manager: AlertManager, shown: list[AggregatedMetrics]) -> list[tuple[str, bool, float]]:
    """Look every 5 s; give what changed, and at which second."""
    return [
        (alert.metric, alert.raised, alert.at)
        for place, one in enumerate(shown)
        for alert in manager.check_thresholds("s", one, now=place * 5.0)
    ]


def test_one_alert_when_it_lasts_and_one_clearing_when_it_is_well_again() -> None:
    slow, well = figures(p95=900), figures()
    changes = looks(AlertManager(AlertThresholds()), [well, *[slow] * 10, *[well] * 10])
    assert changes == [("p95_latency_ms", True, 15.0), ("p95_latency_ms", False, 85.0)]


def test_what_goes_to_and_fro_raises_nothing_and_clears_nothing() -> None:
    slow, well = figures(p95=900), figures()
    assert looks(AlertManager(AlertThresholds()), [slow, well] * 20) == []
    changes = looks(AlertManager(AlertThresholds()), [*[slow] * 3, *[well, well, slow] * 10])
    assert [raised for _, raised, _ in changes] == [True]


def test_a_few_requests_prove_nothing() -> None:
    few = figures(errors=1.0, total=19)
    assert looks(AlertManager(AlertThresholds()), [few] * 20) == []
    assert looks(AlertManager(AlertThresholds()), [figures(errors=1.0, total=20)] * 20)


def test_errors_and_slowness_are_two_alerts() -> None:
    both = figures(p95=900, errors=0.5)
    changes = looks(AlertManager(AlertThresholds()), [both] * 5)
    assert {metric for metric, _, _ in changes} == {"p95_latency_ms", "error_rate"}


def test_an_alert_that_stood_before_is_not_raised_again() -> None:
    manager = AlertManager(AlertThresholds())
    manager.restore("s", "p95_latency_ms")
    assert manager.standing() == {"s"}
    changes = looks(manager, [*[figures(p95=900)] * 5, *[figures(total=0)] * 10])
    assert [raised for _, raised, _ in changes] == [False]
    assert manager.standing() == set()


def test_anomalies_are_looked_for_only_when_asked() -> None:
    usual = [figures(p95=100 + n % 3) for n in range(40)]
    shown = [*usual, *[figures(p95=400)] * 4]
    assert looks(AlertManager(AlertThresholds()), shown) == []
    changes = looks(AlertManager(AlertThresholds(anomaly=6.0)), shown)
    assert [(metric, raised) for metric, raised, _ in changes] == [(ANOMALY, True)]
