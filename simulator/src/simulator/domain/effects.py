"""The ledger of effects: only what took place, in order, bounded."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from simulator.domain.results import Result

# A plain tuple of plain values leaves the garbage collector's sight, so that a million effects
# cost no pauses; a dataclass instance would be walked by every full collection.
Row = tuple[int, int, str, str, str, str | None, Result | None, str, bool]


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that happened to a table."""

    n: int
    at_ms: int
    environment: str
    table: str
    operation: str
    round_id: str | None
    result: Result | None
    caller: str
    repeat: bool


class Effects:
    """The newest effects up to a limit, and the count of those dropped."""

    def __init__(self, limit: int) -> None:
        self._rows: deque[Row] = deque(maxlen=limit)
        self._n = 0
        self._cleared = 0
        self.requests: Counter[tuple[str, str]] = Counter()

    @property
    def dropped(self) -> int:
        return self._n - self._cleared - len(self._rows)

    def add(
        self,
        at_ms: int,
        target: tuple[str, str],
        operation: str,
        caller: str,
        *,
        round_id: str | None = None,
        result: Result | None = None,
        repeat: bool = False,
    ) -> None:
        self._n += 1
        self._rows.append((self._n, at_ms, *target, operation, round_id, result, caller, repeat))

    def select(self, environment: str | None, table: str | None, since: int) -> Iterator[Effect]:
        """Give the effects after `since`, as of now: what comes later does not disturb the walk."""
        skipped = max(0, since - self._n + len(self._rows))
        for row in tuple(islice(self._rows, skipped, None)):
            if environment in (None, row[2]) and table in (None, row[3]):
                yield Effect(*row)

    def clear(self) -> None:
        """Forget the effects; numbers go on, so that a `since` kept elsewhere stays right."""
        self._rows.clear()
        self._cleared = self._n
