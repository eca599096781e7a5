"""What the consoles met: each command's time, each error, each round played."""

from collections import Counter
from dataclasses import dataclass, field
from math import ceil

from native.demo.views import ENDED, Round


@dataclass(frozen=True, slots=True)
class Sample:
    """A command as its dealer met it."""

    command: str
    status: int
    tries: int
    began: float
    answered: float

    @property
    def ms(self) -> float:
        return (self.answered - self.began) * 1000


@dataclass(slots=True)
class Played:
    """A round: what the console was told last, and the result it gave."""

    table: str
    last: Round
    settled: bool = False
    result: dict[str, object] | None = None

    @property
    def over(self) -> bool:
        return self.last.state in ENDED and self.settled


@dataclass(slots=True)
class Score:
    """Filled by the players."""

    samples: list[Sample] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    rounds: dict[str, Played] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    # When something was seen to have worked there, by environment, for whoever waits for that.
    accepted: list[tuple[float, frozenset[str]]] = field(default_factory=list)

    def commands(self) -> dict[str, list[Sample]]:
        """Give the samples by command, in the order of a round."""
        order = ("start", "bet-stop", "result", "finish", "cancel")
        found = {name: [one for one in self.samples if one.command == name] for name in order}
        return {name: samples for name, samples in found.items() if samples}


def percentile(values: list[float], share: float) -> float:
    """Give the nearest rank, which was measured and not made up."""
    return sorted(values)[max(0, ceil(len(values) * share) - 1)]
