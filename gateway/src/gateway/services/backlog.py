"""What the ledger owes, for `/metrics`: deliveries that are not settled, by state."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.domain.rounds import UNSETTLED


class Backlog(Collector):
    """The last count; every gateway tells the same, for it is the ledger's."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Claim no name: replicas have a counter whose name begins alike."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(
            "pitboss_deliveries", "Deliveries that are due and not settled.", labels=["state"]
        )
        for state in sorted(UNSETTLED):
            gauge.add_metric([state], self.counts.get(state, 0))
        yield gauge


BACKLOG: Final = Backlog()
REGISTRY.register(BACKLOG)
