"""How long each kind of fault was felt, from when it struck and from when its target was back."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from chaos.strikes import Struck

BAR_S: Final = 5.0
"""P9: a command is accepted again so soon after the process is back."""

Accepted = Sequence[tuple[float, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """A kind of fault: how often it struck, and the times of those that struck alone."""

    kind: str
    struck: int
    after_s: tuple[float, ...]
    felt_s: tuple[float, ...]

    @property
    def met(self) -> bool | None:
        return max(self.after_s) <= BAR_S if self.after_s else None

    @property
    def median_s(self) -> float | None:
        return median(self.after_s) if self.after_s else None

    @property
    def worst_s(self) -> float | None:
        return max(self.after_s, default=None)

    @property
    def worst_felt_s(self) -> float | None:
        return max(self.felt_s, default=None)


def measure(struck: Sequence[Struck], accepted: Accepted) -> list[Recovery]:
    """Sum up by kind; one that another fault ran into says nothing about its own kind."""
    seen = sorted(accepted, key=lambda one: one[0])
    kinds: dict[str, list[tuple[float, float] | None]] = defaultdict(list)
    for one in struck:
        kinds[one.fault.kind].append(_time(one, struck, seen))
    return [
        Recovery(
            kind,
            len(times),
            tuple(time[0] for time in times if time),
            tuple(time[1] for time in times if time),
        )
        for kind, times in sorted(kinds.items())
    ]


def _time(one: Struck, struck: Sequence[Struck], seen: Accepted) -> tuple[float, float] | None:
    """Give the seconds to the first accepted command after it was back, and the longest without."""
    times = _accepted(one, seen)
    place = bisect_left(times, one.back)
    if place == len(times):
        return None
    back = times[place]
    moments = [one.began, *times[: place + 1]]
    felt = max(later - earlier for earlier, later in pairwise(moments))
    disturbed = any(
        other is not one
        and other.began < back
        and other.back > one.began
        and other.fault.environment in {None, one.fault.environment}
        for other in struck
    )
    return None if disturbed else (back - one.back, felt)


def _accepted(one: Struck, seen: Accepted) -> list[float]:
    """Give when commands were seen to be accepted where the fault struck, since it did."""
    environment = one.fault.environment
    start = bisect_left(seen, one.began, key=lambda entry: entry[0])
    return [
        at
        for at, environments in seen[start:]
        if environment is None or environment in environments
    ]
