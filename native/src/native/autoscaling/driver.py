"""The fleet as autoscaling sees it, and the one of local processes; others fit the same shape."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx
import psutil

from native import mode
from native.autoscaling.decision import Load
from native.ports import LOOPBACK
from native.refusals import NotRunning

_GAUGE: Final = "active_connections{"
_ANSWER_S: Final = 2.0
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Pool:
    """The replicas of one environment; `settled` once none of them is on its way in or out."""

    environment: str
    service: str
    load: Load
    settled: bool


class Driver(Protocol):
    """What runs the replicas: looks at them, and brings a service to a count."""

    def look(self) -> Sequence[Pool]: ...

    def scale(self, service: str, count: int) -> None: ...


class Processes:
    """Local processes under our supervisor."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    def look(self) -> list[Pool]:
        """Measure all pools; CPU is that since the look before, so the first one has none."""
        fleet = mode.running().read_status()
        if not fleet.supervised:
            raise NotRunning("The supervisor is gone; clean up and start again: ./manage.sh up")
        pools: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for one in fleet.services:
            if one["environment"] is not None and one["state"] != "draining":
                pools.setdefault((one["environment"], one["service"]), []).append(one)
        pids = {one["pid"] for one in fleet.services}
        self._known = {pid: process for pid, process in self._known.items() if pid in pids}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self._measure, pools, pools.values()))

    def scale(self, service: str, count: int) -> None:
        mode.running().scale({service: str(count)}, lambda _: None)

    def _measure(self, name: tuple[str, str], replicas: list[dict[str, Any]]) -> Pool:
        ready = [one for one in replicas if one["state"] == "ready"]
        cpu = [used for one in ready for used in self._cpu(one["pid"])]
        in_flight = [count for one in ready for count in self._in_flight(one["port"])]
        load = Load(len(replicas), _mean(cpu), _mean(in_flight))
        environment, service = name
        return Pool(environment, service, load, settled=len(ready) == len(replicas))

    def _cpu(self, pid: int) -> Iterator[float]:
        process = self._known.get(pid)
        try:
            if process is None:
                self._known[pid] = process = psutil.Process(pid)
                process.cpu_percent()  # the first call only begins the measuring
                return
            yield process.cpu_percent()
        except psutil.Error:
            self._known.pop(pid, None)

    def _in_flight(self, port: int) -> Iterator[float]:
        try:
            answer = self._client.get(f"http://{LOOPBACK}:{port}/metrics")
        except httpx.HTTPError:
            return
        if answer.is_success:
            yield read_in_flight(answer.text)


def read_in_flight(metrics: str) -> float:
    """Add up the calls under way; a replica that has not called yet shows no such line."""
    lines = [line for line in metrics.splitlines() if line.startswith(_GAUGE)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def _mean(found: Sequence[float]) -> float | None:
    return sum(found) / len(found) if found else None
