"""The loop: looks, decides, asks for each step and says why."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from native.autoscaling import journal
from native.autoscaling.decision import STEADY, Bounds, Step, Thresholds, Trend, decide
from native.autoscaling.driver import Driver, Pool
from native.autoscaling.wishes import Away
from native.places import Places
from native.refusals import NotRunning, Refusal

ONCE_S: Final = 1.0


@dataclass(slots=True)
class Loop:
    """Autoscaling of one fleet; `only` names the environments it follows, none means all."""

    driver: Driver
    read_bounds: Callable[[], dict[str, Bounds]]
    thresholds: Thresholds
    where: Places
    say: Callable[[str], None]
    interval_s: float
    only: frozenset[str] = frozenset()
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    _bounds: dict[str, Bounds] | None = None
    _taken: int = 0
    _trends: dict[str, Trend] = field(default_factory=dict)
    _noted: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Follow the fleet until interrupted, or until it is gone."""
        self._begin()
        while True:
            self.look()
            time.sleep(self.interval_s)

    def run_once(self) -> int:
        """Take each pool one step if it needs one, by what the load is now; count the steps."""
        self._begin()
        self.driver.look()  # begins the measuring of CPU
        time.sleep(ONCE_S)
        self.look()
        return self._taken

    def look(self) -> None:
        pools = {pool.environment: pool for pool in self.driver.look()}
        unknown = self.only - pools.keys()
        if unknown:
            there = ", ".join(sorted(pools))
            raise Refusal(f"There is no pool of {', '.join(sorted(unknown))}; there are {there}.")
        try:
            self._bounds = self.read_bounds()
            self._noted.pop("", None)
        except Away as away:
            self._note("", f"{away}; going by the bounds known so far.")
        if self._bounds is None:
            return
        for environment, pool in sorted(pools.items()):
            if not self.only or environment in self.only:
                self._treat(pool, self._bounds.get(environment))

    def _begin(self) -> None:
        self.steps = journal.read_steps(self.where)
        journal.write(self.where, self.interval_s, self.steps)

    def _treat(self, pool: Pool, bounds: Bounds | None) -> None:
        name = pool.environment
        if bounds is None:
            self._note(name, f"{name} is not configured, so it is left alone.")
            return
        if not pool.settled:
            self._trends[name] = STEADY  # what a replica does while it starts tells nothing
            return
        trend = self._trends.get(name, STEADY)
        step = decide(time.monotonic(), pool.load, bounds, self.thresholds, trend)
        self._trends[name] = step.trend
        if step.count != pool.load.replicas:
            self._take(pool, step)
        elif not bounds.automatic:
            self._note(name, f"{name}: {step.why}.")
        else:
            self._noted.pop(name, None)

    def _take(self, pool: Pool, step: Step) -> None:
        self._taken += 1
        before = pool.load.replicas
        self.say(f"{pool.service}: {before} -> {step.count}, {step.why}")
        taken = {
            "service": pool.service,
            "at": journal.now(),
            "from": before,
            "to": step.count,
            "why": step.why,
        }
        self._log("pool_scaled", environment=pool.environment, **taken)
        self.steps[pool.environment] = taken
        journal.write(self.where, self.interval_s, self.steps)
        try:
            self.driver.scale(pool.service, step.count)
        except NotRunning:
            raise
        except Refusal as refusal:  # one that is late is tried further by the supervisor
            self.say(f"{pool.service}: {refusal}")
            self._log("scaling_failed", environment=pool.environment, reason=str(refusal))

    def _note(self, name: str, text: str) -> None:
        """Say what goes on and on only once."""
        if self._noted.get(name) != text:
            self._noted[name] = text
            self.say(text)
            self._log("noted", environment=name or None, text=text)

    def _log(self, event: str, **fields: object) -> None:
        line = {"event": event, **fields, "level": "info", "@timestamp": journal.now()}
        self.where.logs.mkdir(exist_ok=True)
        with (self.where.logs / "autoscale.log").open("a") as out:
            out.write(json.dumps(line) + "\n")
