"""What a check is, and what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, object]

# So many offending rows are shown of each check; the count tells of all.
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant's number in the design, and what must hold, in one sentence."""

    name: str
    invariant: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and the rows that break it."""

    check: Check
    rows: Sequence[Row] = ()
    count: int = 0

    @property
    def ok(self) -> bool:
        return self.count == 0

    @classmethod
    def of(cls, check: Check, rows: Sequence[Row]) -> "Finding":
        return cls(check, rows[:MOST_ROWS], len(rows))
