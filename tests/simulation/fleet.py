"""Worlds by the thousand: a process for each core, each world from a seed of its own."""

import gc
import multiprocessing
import os
import time
from collections import Counter
from dataclasses import dataclass, field

from simulation.safeguards import ALL, Safeguards
from simulation.world import play

_LINES = 120
_COLLECT_EVERY = 10


@dataclass(slots=True)
class Report:
    """What came of many worlds; `failed` names the first seed of each broken invariant."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    cores: int = 1

    @property
    def rounds(self) -> int:
        return self.counts["rounds"]

    def add(self, other: "Report") -> None:
        self.counts += other.counts
        self.failed = {**other.failed, **self.failed}

    def summary(self) -> str:
        speed = self.rounds / max(self.seconds, 0.001)
        events = ", ".join(f"{name} {number}" for name, number in sorted(self.counts.items()))
        return (
            f"{self.rounds} rounds in {self.seconds:.1f} s on {self.cores} cores, "
            f"{speed:.0f} rounds/s: {events}"
        )


def run_worlds(seed: str, rounds: int, safe: Safeguards = ALL, *, first: int = 0) -> Report:
    """Play worlds until so many rounds were played, or one broke an invariant."""
    report = Report()
    began = time.perf_counter()
    number = first
    # worlds are thrown away whole: collecting between them is cheaper than while they are played
    gc.disable()
    while report.rounds < rounds and not report.failed:
        world = play(f"{seed}.{number}", safe)
        report.counts += world.counts
        report.counts["worlds"] += 1
        if world.observer.first is not None:
            report.failed[world.observer.first.number] = world.seed
        number += 1
        if number % _COLLECT_EVERY == 0:
            gc.collect()
    gc.enable()
    report.seconds = time.perf_counter() - began
    return report


def run(seed: int, rounds: int) -> Report:
    """Spread the rounds over the cores; the worlds of a seed are the same on any machine."""
    cores = len(os.sched_getaffinity(0))
    began = time.perf_counter()
    parts = [(f"{seed}/{part}", rounds // cores) for part in range(cores)]
    whole = Report(cores=cores)
    if cores == 1:
        whole.add(run_worlds(*parts[0]))
    else:
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            for part in pool.starmap(run_worlds, parts):
                whole.add(part)
    whole.seconds = time.perf_counter() - began
    return whole


def tell(seed: str, safe: Safeguards = ALL) -> str:
    """Play a world once more and give the line that replays it, and what happened in it."""
    world = play(seed, safe, tracing=True)
    trace = world.trace or []
    end = next((i for i, line in enumerate(trace) if "INVARIANT" in line), len(trace))
    shown = trace[max(0, end - _LINES) : end + 1]
    line = f"replay: ./manage.sh test simulation -k replay --world {seed}"
    return "\n".join([f"{world.observer.first}", line, *shown])
