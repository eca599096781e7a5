"""The decision, pure: how many replicas a pool should have, from when on, and why."""

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an environment's `scaling` says."""

    low: int
    high: int
    automatic: bool


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is much and what is little, per replica, and how long it has to last."""

    cpu_high: float = 70.0  # percent of one core: a replica is one process that uses one
    cpu_low: float = 30.0
    in_flight_high: float = 20.0
    in_flight_low: float = 5.0
    up_after_s: float = 10.0
    down_after_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """A pool as it was measured: the mean over its replicas; None where nothing was learnt."""

    replicas: int
    cpu: float | None
    in_flight: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """Since when the load has been high, or low, without a break."""

    high_since: float | None = None
    low_since: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about a pool; without a change `count` is what it has."""

    count: int
    why: str
    trend: Trend


STEADY: Final = Trend()
_MOST_GROWTH: Final = 2


def decide(now: float, load: Load, bounds: Bounds, limits: Thresholds, trend: Trend) -> Step:
    """Grow in proportion once the load has been high for a while; shrink one by one, slowly."""
    count = load.replicas
    if not bounds.automatic:
        return Step(count, _outside(count, bounds), STEADY)
    if count < bounds.low:
        return Step(bounds.low, f"{count} is fewer than min_instances, {bounds.low}", STEADY)
    if count > bounds.high:
        return Step(bounds.high, f"{count} is more than max_instances, {bounds.high}", STEADY)
    pressure, highest = _pressure(load, limits)
    if pressure is None:
        return Step(count, "nothing could be measured", STEADY)
    seen = _follow(now, trend, is_high=pressure > 1.0, is_low=_is_low(load, limits))
    if seen.high_since is not None:
        return _grow(
            now - seen.high_since,
            (pressure, highest),
            load=load,
            bounds=bounds,
            limits=limits,
            trend=seen,
        )
    if seen.low_since is not None:
        return _shrink(now - seen.low_since, load, bounds, limits, seen)
    return Step(count, f"{_tell(load)}: as it should be", seen)


def _outside(count: int, bounds: Bounds) -> str:
    if count < bounds.low:
        return f"auto_scale is off, so {count} stay, fewer than min_instances, {bounds.low}"
    if count > bounds.high:
        return f"auto_scale is off, so {count} stay, more than max_instances, {bounds.high}"
    return "auto_scale is off"


def _pressure(load: Load, limits: Thresholds) -> tuple[float | None, str]:
    """Give how many times over what is much the worse measure is, and its words."""
    found = []
    if load.cpu is not None:
        words = f"CPU {load.cpu:.0f} % per replica, over {limits.cpu_high:g} %"
        found.append((load.cpu / limits.cpu_high, words))
    if load.in_flight is not None:
        words = f"{load.in_flight:.1f} in flight per replica, over {limits.in_flight_high:g}"
        found.append((load.in_flight / limits.in_flight_high, words))
    return max(found, default=(None, ""))


def _is_low(load: Load, limits: Thresholds) -> bool:
    """Tell whether one replica fewer would still be at ease, by every measure there is."""
    left = load.replicas - 1
    if left < 1:
        return False
    measured = (
        (load.cpu, limits.cpu_low, limits.cpu_high),
        (load.in_flight, limits.in_flight_low, limits.in_flight_high),
    )
    return all(
        mean < little and mean * load.replicas / left <= much
        for mean, little, much in measured
        if mean is not None
    )


def _follow(now: float, trend: Trend, *, is_high: bool, is_low: bool) -> Trend:
    return Trend(
        high_since=(now if trend.high_since is None else trend.high_since) if is_high else None,
        low_since=(now if trend.low_since is None else trend.low_since) if is_low else None,
    )


def _grow(
    lasted: float,
    pressure: tuple[float, str],
    *,
    load: Load,
    bounds: Bounds,
    limits: Thresholds,
    trend: Trend,
) -> Step:
    times, words = pressure
    count = load.replicas
    if count >= bounds.high:
        return Step(count, f"{words}, but max_instances is {bounds.high}", trend)
    if lasted < limits.up_after_s:
        return Step(count, f"{words}; waiting whether it lasts", trend)
    wanted = min(math.ceil(count * times), count * _MOST_GROWTH, bounds.high)
    return Step(max(count + 1, wanted), words + _span(lasted), STEADY)


def _shrink(lasted: float, load: Load, bounds: Bounds, limits: Thresholds, trend: Trend) -> Step:
    count, words = load.replicas, _tell(load)
    if count <= bounds.low:
        return Step(count, f"{words}: little, and min_instances is {bounds.low}", trend)
    if lasted < limits.down_after_s:
        return Step(count, f"{words}: little; waiting whether it lasts", trend)
    why = f"{words}: little{_span(lasted)}"
    # The next one leaves only after as long again.
    return Step(count - 1, why, STEADY)


def _tell(load: Load) -> str:
    told = []
    if load.cpu is not None:
        told.append(f"CPU {load.cpu:.0f} %")
    if load.in_flight is not None:
        told.append(f"{load.in_flight:.1f} in flight")
    return f"{' and '.join(told)} per replica"


def _span(seconds: float) -> str:
    return f" for {seconds:.0f} s" if seconds >= 1 else ""
