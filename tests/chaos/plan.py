"""What shall go wrong and when: a pure function of a seed and a length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

PER_MINUTE: Final = 20
_SHORTEST_GAP: Final = 0.4  # of the mean


class Action(StrEnum):
    """The kinds of faults."""

    KILL = "kill"
    PAUSE = "pause"
    RESTART = "restart"
    FLUSH = "flush"
    LINK = "link"
    TABLE_API = "table-api"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: at what, how, from when and for how long."""

    number: int
    at_s: float
    action: Action
    target: str
    hold_s: float = 0.0
    how: str = ""
    figures: tuple[tuple[str, float], ...] = field(default=())

    @property
    def kind(self) -> str:
        """What it is counted under: the environment makes no difference."""
        where = "table-service" if self.target.startswith("table-service-") else self.target
        if self.action is Action.TABLE_API:
            return f"table-api {self.how}"
        if self.action is Action.LINK:
            where = "table-api" if self.target.startswith("table-api-") else self.target
            return f"link to {where}: {self.how}"
        return f"{self.action} {where}"

    @property
    def environment(self) -> str | None:
        """The environment it is confined to."""
        for prefix in ("table-service-", "table-api-"):
            if self.target.startswith(prefix):
                return self.target.removeprefix(prefix).upper()
        return None

    def __str__(self) -> str:
        figures = " ".join(f"{name}={figure:g}" for name, figure in self.figures)
        held = f"for {self.hold_s:.1f} s" if self.hold_s else ""
        words = (f"{self.number:4}", f"{self.at_s:7.1f} s", f"{self.action:<9}", self.target)
        return "  ".join(filter(None, (*words, self.how, figures, held)))


# Never longer than a call's timeout before its effect: what is late must be late and not lost,
# or it would act on a later round, which nothing in the protocol can prevent.
_LINKS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "latency": {"latency_ms": (20, 200), "jitter_ms": (0, 100)},
    "reset": {},
    "refuse": {},
    "half-open both": {},
    "half-open down": {},
    "bandwidth": {"bytes_per_s": (4_000, 20_000)},
    "cut up": {"bytes": (50, 3_000)},
    "cut down": {"bytes": (50, 3_000)},
}
_TABLE_APIS: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "latency": {"ms": (100, 1_000)},
    "hang": {},
    "hang after": {},
    "refuse": {},
    "reset": {},
    "reset_after": {},
    "status": {},
    "status after": {},
    "html after": {},
    "empty after": {},
    "cut": {},
    "retry_after": {},
    "session_expired": {},
    "trickle": {"ms": (1, 5)},
}


def draw(
    seed: int, minutes: float, environments: Sequence[str], *, per_minute: float = PER_MINUTE
) -> tuple[Fault, ...]:
    """Draw the faults of a run; the same arguments give the same ones."""
    random = Random(seed)
    mean = 60 / per_minute
    deck = _deal(random, environments)
    faults = []
    at = 0.0
    for number in range(1, max(1, round(minutes * per_minute)) + 1):
        at += mean * random.uniform(_SHORTEST_GAP, 2 - _SHORTEST_GAP)
        faults.append(_draw(random, number, round(at, 1), next(deck)))
    return tuple(faults)


def _draw(random: Random, number: int, at_s: float, card: tuple[Action, str, str]) -> Fault:
    action, target, how = card
    ranges: dict[str, tuple[float, float]] = {}
    hold_s = 0.0
    if action is Action.LINK:
        ranges = _LINKS[how]
        hold_s = 0.0 if how == "reset" else random.uniform(0.5, 4)
    elif action is Action.TABLE_API:
        ranges = _TABLE_APIS[how]
        hold_s = random.uniform(0.5, 5)
    elif action is Action.PAUSE:
        hold_s = random.uniform(0.3, 3)
    figures = tuple((name, float(round(random.uniform(*ranges[name])))) for name in ranges)
    return Fault(number, at_s, action, target, round(hold_s, 1), how, figures)


def _deal(random: Random, environments: Sequence[str]) -> Iterator[tuple[Action, str, str]]:
    """Deal from a deck of all kinds, each category spread evenly over it; then shuffle anew."""
    while True:
        categories = _categories(random, environments)
        placed = []
        for cards in categories:
            random.shuffle(cards)
            placed += [
                ((place + random.random()) / len(cards), card) for place, card in enumerate(cards)
            ]
        yield from (card for _, card in sorted(placed))


def _categories(random: Random, environments: Sequence[str]) -> list[list[tuple[Action, str, str]]]:
    def somewhere(prefix: str) -> str:
        return f"{prefix}-{random.choice(environments).lower()}"

    pools = [f"table-service-{name.lower()}" for name in environments]
    single = ["gateway", "nginx", "nginx-worker", "postgres", "redis"]
    beside = ["log-service", "log-worker", "metrics-service"]
    stoppable = ["gateway", "nginx-worker", "postgres", "redis", somewhere("table-service")]
    restarted = ["gateway", "nginx", "postgres", "redis", somewhere("table-service")]
    links = [(somewhere("table-api"), how) for how in _LINKS]
    links += [("postgres", how) for how in _LINKS if how != "bandwidth"]
    links += [("redis", how) for how in _LINKS if how != "bandwidth"]
    return [
        [(Action.KILL, target, "") for target in (*single, *pools, *single, *beside)],
        [(Action.PAUSE, target, "") for target in (*stoppable, random.choice(beside))],
        [(Action.RESTART, target, "") for target in (*restarted, random.choice(beside))],
        [(Action.FLUSH, "redis", "")],
        [(Action.LINK, target, how) for target, how in links],
        [(Action.TABLE_API, somewhere("table-api"), how) for how in _TABLE_APIS],
    ]
