"""What an instance holds of a shard between two storings."""

from collections import deque

from fleetkit.bus import Batch, Entry
from metrics_service.adapters.spool import Counted
from metrics_service.adapters.store import REMEMBERED
from metrics_service.domain.windows import MetricsAggregator


class Remembered:
    """The events that are known to be counted, the oldest forgotten first."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._known

    def add(self, digest: bytes) -> None:
        self._known.add(digest)
        self._order.append(digest)
        if len(self._order) > REMEMBERED:
            self._known.discard(self._order.popleft())


class Held:
    """What is known of a shard while it is ours."""

    def __init__(self, epoch: int, aggregator: MetricsAggregator) -> None:
        self.epoch = epoch
        self.aggregator = aggregator
        self.counted = Remembered()
        self.pending: list[Counted] = []
        self.spooled: dict[str, list[bytes]] = {}
        self.delivered: list[tuple[Batch, list[Entry]]] = []
        self.waiting = 0
