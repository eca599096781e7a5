"""The fleet as autoscaling sees it: its pools, and how loaded their replicas are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from native import mode
from native.autoscaling.decision import Load
from native.refusals import NotRunning

Row = Mapping[str, Any]
"""A replica as status shows it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The replicas of one environment; `settled` once none of them is on its way in or out."""

    environment: str
    service: str
    load: Load
    settled: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What was learnt of a pool: CPU in percent of the core, or the part of one, each may use."""

    cpu: Sequence[float] = ()
    in_flight: Sequence[float] = ()


class Meter(Protocol):
    """Measures the ready replicas of each environment; CPU is that since the look before."""

    def read(self, pools: Mapping[str, Sequence[Row]]) -> Mapping[str, Measured]: ...


class Driver(Protocol):
    """What runs the replicas: looks at them, and brings a service to a count."""

    def look(self) -> Sequence[Pool]: ...

    def scale(self, service: str, count: int) -> None: ...


class Fleet:
    """The fleet of this checkout, whichever way it runs."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def look(self) -> list[Pool]:
        fleet = mode.running().read_status()
        if not fleet.supervised:
            raise NotRunning("The supervisor is gone; clean up and start again: ./manage.sh up")
        pools: dict[str, list[Row]] = {}
        for one in fleet.services:
            if one["environment"] is not None and one["state"] != "draining":
                pools.setdefault(one["environment"], []).append(one)
        ready = {
            name: [one for one in rows if one["state"] == "ready"] for name, rows in pools.items()
        }
        measured = self._meter.read(ready)
        return [
            Pool(
                name,
                rows[0]["service"],
                Load(len(rows), _mean(measured[name].cpu), _mean(measured[name].in_flight)),
                settled=len(ready[name]) == len(rows),
            )
            for name, rows in pools.items()
        ]

    def scale(self, service: str, count: int) -> None:
        mode.running().scale({service: str(count)}, lambda _: None)


def _mean(found: Sequence[float]) -> float | None:
    return sum(found) / len(found) if found else None
