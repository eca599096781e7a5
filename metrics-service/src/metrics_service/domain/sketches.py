"""A sketch of latencies: counts in bins that each span 2 %, so any percentile is within 1 %.

The bins are those of DDSketch: two sketches are merged by adding their counts, and nothing is lost.
"""

import math
import struct
from collections.abc import Mapping
from typing import Final

ACCURACY: Final = 0.01
LEAST_MS: Final = 0.001
"""What is shorter counts as nothing."""

_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG: Final = 1 / math.log(_GAMMA)
_MIDDLE: Final = 2 / (1 + _GAMMA)
_NOTHING: Final = -32768
_BIN: Final = struct.Struct("<hI")


class Sketch:
    """Counts by bin."""

    __slots__ = ("bins",)

    def __init__(self, bins: Mapping[int, int] | None = None) -> None:
        self.bins: dict[int, int] = dict(bins or {})

    def add(self, value: float) -> None:
        place = math.ceil(math.log(value) * _PER_LOG) if value > LEAST_MS else _NOTHING
        self.bins[place] = self.bins.get(place, 0) + 1

    def merge(self, other: "Sketch") -> None:
        for place, count in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + count

    def quantiles(self, *asked: float) -> tuple[float, ...]:
        """Give the values below which these parts of all lie; nothing is below nothing."""
        ordered = sorted(self.bins.items())
        total = sum(count for _, count in ordered)
        found = []
        for part in asked:
            rank, seen, value = part * (total - 1), 0, 0.0
            for place, count in ordered:
                seen += count
                if seen > rank:
                    value = 0.0 if place == _NOTHING else _MIDDLE * math.pow(_GAMMA, place)
                    break
            found.append(value)
        return tuple(found)

    def pack(self) -> bytes:
        return b"".join(_BIN.pack(place, count) for place, count in sorted(self.bins.items()))

    @classmethod
    def unpack(cls, packed: bytes) -> "Sketch":
        sketch = cls()
        sketch.bins = dict(_BIN.iter_unpack(packed))
        return sketch
