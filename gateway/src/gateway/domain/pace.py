"""How many tables of batches are worked at at once: one more while all goes well, less when not.

Additive increase, multiplicative decrease, on how long answers take and how busy our own core is.
"""

from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Self

STEP: Final = 1.0
CUT: Final = 0.7
# A core of our own that is busier than this makes everybody wait.
BUSY: Final = 0.9
# As slow as this, against the best there was, is taken for a queue somewhere.
SLOWER: Final = 2.0
SLACK_MS: Final = 50.0
# What was good once need not be possible for ever: the best is forgotten by so much each time.
FORGET: Final = 1.05


@dataclass(frozen=True, slots=True)
class Window:
    """What was seen since the last one: answers, share of a core, whether the limit was met."""

    latencies_ms: tuple[float, ...]
    cpu: float
    full: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """The limit as it stands, between its bounds."""

    limit: float
    floor: int
    ceiling: int
    best_ms: float | None = None

    @classmethod
    def between(cls, floor: int, ceiling: int) -> Self:
        """Begin in the middle, by ratio."""
        return cls(limit=(floor * ceiling) ** 0.5, floor=floor, ceiling=ceiling)

    @property
    def whole(self) -> int:
        return max(self.floor, min(self.ceiling, int(self.limit)))

    def after(self, window: Window) -> Self:
        """Give the pace after a window; nothing seen changes nothing.

        The median decides: one table that hangs is no load, and slows nobody else.
        """
        if not window.latencies_ms:
            return self
        usual = median(window.latencies_ms)
        best = usual if self.best_ms is None else min(usual, self.best_ms * FORGET)
        limit = self.limit
        if window.cpu > BUSY or usual > max(SLOWER * best, best + SLACK_MS):
            limit = max(float(self.floor), limit * CUT)
        elif window.full:
            limit = min(float(self.ceiling), limit + STEP)
        return replace(self, limit=limit, best_ms=best)
