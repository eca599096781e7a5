"""How loaded local processes are: asked of the system, and of each at its port."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import psutil

from native.autoscaling.driver import Measured, Row
from native.ports import LOOPBACK

_GAUGE: Final = "active_connections{"
_ANSWER_S: Final = 2.0
_AT_ONCE: Final = 8


class Processes:
    """Local processes under our supervisor."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    def read(self, pools: Mapping[str, Sequence[Row]]) -> dict[str, Measured]:
        pids = {one["pid"] for rows in pools.values() for one in rows}
        self._known = {pid: process for pid, process in self._known.items() if pid in pids}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return dict(zip(pools, threads.map(self._measure, pools.values()), strict=True))

    def _measure(self, replicas: Sequence[Row]) -> Measured:
        return Measured(
            [used for one in replicas for used in self._cpu(one["pid"])],
            [count for one in replicas for count in self._in_flight(one["port"])],
        )

    def _cpu(self, pid: int | None) -> Iterator[float]:
        if pid is None:  # to psutil that would be this process
            return
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
