"""How loaded containers are: asked of the engine, and of the registry that each tells of itself."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from native.autoscaling.driver import Measured, Row
from native.docker import engine
from native.refusals import Refusal


class Containers:
    """Replicas that have no port of their own on this machine."""

    def __init__(self, read_in_flight: Callable[[], Mapping[str, Sequence[float]]]) -> None:
        self._read_in_flight = read_in_flight

    def read(self, pools: Mapping[str, Sequence[Row]]) -> dict[str, Measured]:
        ids = {name: [str(one["container"]) for one in rows] for name, rows in pools.items()}
        with ThreadPoolExecutor(2) as threads:
            asked = threads.submit(_read_cpu, [each for found in ids.values() for each in found])
            in_flight = threads.submit(self._read_in_flight).result()
            cpu = asked.result()
        return {
            name: Measured([cpu[each] for each in found if each in cpu], in_flight.get(name, ()))
            for name, found in ids.items()
        }


def _read_cpu(ids: Sequence[str]) -> dict[str, float]:
    """Give what each uses; nothing where the engine is too busy to say."""
    try:
        return engine.read_cpu(ids)
    except (Refusal, subprocess.TimeoutExpired):
        return {}
