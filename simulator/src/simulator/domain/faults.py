"""Faults on demand: which of them strike a call, and what they do to it together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """What a fault does."""

    LATENCY = "latency"
    HANG = "hang"
    REFUSE = "refuse"
    RESET = "reset"
    RESET_AFTER = "reset_after"
    STATUS = "status"
    HTML = "html"
    EMPTY = "empty"
    CUT = "cut"
    TRICKLE = "trickle"
    RETRY_AFTER = "retry_after"
    SESSION_EXPIRED = "session_expired"
    GZIP = "gzip"
    CHUNKED = "chunked"
    CLOSE = "close"


# These dress an answer and combine with everything; of the others the first to strike wins.
SHAPES = frozenset({Kind.TRICKLE, Kind.GZIP, Kind.CHUNKED, Kind.CLOSE})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was asked for."""

    kind: Kind
    environment: str | None = None
    table: str | None = None
    operation: str | None = None
    probability: float = 1.0
    count: int | None = None
    seed: int | None = None
    after_effect: bool = False
    distribution: str = "fixed"
    ms: float = 0.0
    to_ms: float = 0.0
    sigma: float = 0.5
    status: int = 503
    code: int | None = None
    message: str = "injected fault"
    value: str = "1"
    announce: bool = True

    @property
    def shuts_door(self) -> bool:
        """Whether a listener may be closed for it: then it can neither choose nor count calls."""
        return (
            self.kind is Kind.REFUSE
            and self.table is None
            and self.operation is None
            and self.count is None
            and self.probability == 1
        )

    def covers(self, environment: str, table: str | None, operation: str) -> bool:
        return (
            (self.environment is None or self.environment == environment)
            and (self.table is None or self.table == table)
            and (self.operation is None or self.operation == operation)
        )

    def draw_s(self, rng: Random) -> float:
        if self.distribution == "uniform":
            ms = rng.uniform(self.ms, self.to_ms)
        elif self.distribution == "lognormal":
            ms = self.ms * math.exp(rng.gauss(0, self.sigma))
        else:
            ms = self.ms
        return ms / 1000


@dataclass(slots=True)
class Plan:
    """What the faults that struck do to one call."""

    before_s: float = 0.0
    after_s: float = 0.0
    act: Fault | None = None
    trickle_s: float = 0.0
    gzip: bool = False
    chunked: bool = False
    close: bool = False
    announce: bool = True

    def add(self, fault: Fault, rng: Random) -> None:
        match fault.kind:
            case Kind.LATENCY if fault.after_effect:
                self.after_s += fault.draw_s(rng)
            case Kind.LATENCY:
                self.before_s += fault.draw_s(rng)
            case Kind.TRICKLE:
                self.trickle_s = fault.ms / 1000
            case Kind.GZIP:
                self.gzip = True
            case Kind.CHUNKED:
                self.chunked = True
            case Kind.CLOSE:
                self.close, self.announce = True, fault.announce
            case _:
                self.act = fault


@dataclass(slots=True)
class Armed:
    """A fault in force: its own dice, how often it struck, how often it still may."""

    number: int
    fault: Fault
    rng: Random
    struck: int = 0

    @property
    def spent(self) -> bool:
        return self.fault.count is not None and self.struck >= self.fault.count


class Faults:
    """The faults in force, in the order they were asked for."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._armed: dict[int, Armed] = {}
        self._last = 0

    def __bool__(self) -> bool:
        return bool(self._armed)

    def __iter__(self) -> Iterator[Armed]:
        return iter(self._armed.values())

    def add(self, fault: Fault) -> int:
        self._last += 1
        seed = self._rng.getrandbits(64) if fault.seed is None else fault.seed
        self._armed[self._last] = Armed(self._last, fault, Random(seed))
        return self._last

    def remove(self, number: int) -> bool:
        return self._armed.pop(number, None) is not None

    def clear(self, environment: str | None = None) -> int:
        """End all faults, or those of one environment alone; gives how many."""
        gone = [
            armed.number
            for armed in self
            if environment is None or armed.fault.environment == environment
        ]
        for number in gone:
            del self._armed[number]
        return len(gone)

    def shuts_door(self, environment: str) -> bool:
        return any(
            armed.fault.shuts_door and armed.fault.environment in (None, environment)
            for armed in self
        )

    def choose(self, environment: str, table: str | None, operation: str) -> Plan | None:
        plan = None
        for armed in tuple(self._armed.values()):
            fault = armed.fault
            if not fault.covers(environment, table, operation):
                continue
            acts = fault.kind is not Kind.LATENCY and fault.kind not in SHAPES
            if acts and plan is not None and plan.act is not None:
                continue
            if fault.probability < 1 and armed.rng.random() >= fault.probability:
                continue
            plan = Plan() if plan is None else plan
            plan.add(fault, armed.rng)
            armed.struck += 1
            if armed.spent:
                del self._armed[armed.number]
        return plan
