from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from metrics_service.domain.events import MetricEvent
from metrics_service.domain.windows import (
    MOST_ENDPOINTS,
    OTHER,
    Bucket,
    MetricsAggregator,
    Place,
    aggregate,
)

NOW = 1_800_000_002.0


def event(at: float, *, service: str = "s", endpoint: str = "/e", ms: float = 10.0,
          failed: bool = False) -> MetricEvent:  # fmt: skip
    return MetricEvent(at, service, endpoint, ms, failed, None)


@given(st.lists(st.floats(-120, 20), max_size=60))
def test_the_window_counts_the_last_minute_whatever_the_order(ages: list[float]) -> None:
    aggregator = MetricsAggregator(now=NOW)
    for age in ages:
        aggregator.add(event(NOW + age), now=NOW)
    first = aggregator.start_of(NOW) - 55
    inside = sum(1 for age in ages if first <= NOW + age and aggregator.start_of(NOW + age) <= NOW)
    assert aggregator.window("s", None, now=NOW).count == inside
    assert aggregator.late == sum(1 for age in ages if aggregator.start_of(NOW + age) + 10 <= NOW)


@given(st.lists(st.tuples(st.floats(-200, 10), st.sampled_from("abc"), st.booleans()), max_size=80))
def test_every_event_is_stored_one_time_over_any_number_of_storings(
    told: list[tuple[float, str, bool]],
) -> None:
    aggregator = MetricsAggregator(now=NOW)
    stored: dict[Place, Bucket] = {}

    def store() -> None:
        missing = aggregator.missing()
        held = {place: _copied(stored[place]) for place in missing & set(stored)}
        aggregator.restore(held)
        aggregator.found(missing)
        stored.update({p: _copied(b) for p, b in aggregator.take_dirty().items()})
        aggregator.forget(NOW)

    for age, endpoint, stores in told:
        aggregator.add(event(NOW + age, endpoint=endpoint), now=NOW)
        if stores:
            store()
    store()
    counted: Counter[str] = Counter()
    for (_, _, endpoint), bucket in stored.items():
        counted[endpoint] += bucket.count
    assert counted == Counter(endpoint for _, endpoint, _ in told)


def _copied(bucket: Bucket) -> Bucket:
    fresh = Bucket()
    fresh.merge(bucket)
    return fresh


def test_a_silent_service_goes_to_nothing_by_itself_and_is_forgotten() -> None:
    aggregator = MetricsAggregator(now=NOW)
    aggregator.add(event(NOW), now=NOW)
    assert aggregator.window("s", None, now=NOW + 30).count == 1
    assert aggregator.window("s", None, now=NOW + 61).count == 0
    aggregator.take_dirty()
    aggregator.forget(NOW + 100)
    assert aggregator.windows == 0


def test_what_was_not_stored_stays_to_be_stored() -> None:
    aggregator = MetricsAggregator(now=NOW)
    aggregator.add(event(NOW), now=NOW)
    taken = aggregator.take_dirty()
    assert not aggregator.dirty
    aggregator.not_stored(taken)
    aggregator.forget(NOW + 1000)
    assert set(aggregator.take_dirty()) == set(taken)


def test_endpoints_without_number_are_counted_together() -> None:
    aggregator = MetricsAggregator(now=NOW)
    many = 100_000
    for number in range(many):
        aggregator.add(event(NOW, endpoint=f"/{number}"), now=NOW)
    assert aggregator.windows == MOST_ENDPOINTS + 1
    assert aggregator.folded == many - MOST_ENDPOINTS
    assert aggregator.window("s", OTHER, now=NOW).count == many - MOST_ENDPOINTS
    assert aggregator.window("s", None, now=NOW).count == many


def test_the_figures_of_a_window() -> None:
    bucket = Bucket()
    for ms in range(1, 101):
        bucket.add(float(ms), failed=ms > 90)
    figures = aggregate(bucket, 60)
    assert (figures.total_requests, figures.error_rate) == (100, 0.1)
    assert (figures.avg_latency_ms, figures.qps) == (50.5, 100 / 60)
    assert abs(figures.p95_latency_ms - 95) <= 0.96
    assert aggregate(Bucket(), 60).error_rate == 0
