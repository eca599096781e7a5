"""What the demo has seen so far: each table's round, each call and each leg's way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from native.demo import script, wheel
from native.demo.gateway import Answer
from native.demo.views import Leg, Round

_UNDER_WAY: Final = frozenset({"pending"})
"""Is news only in the answer to a command: between two looks it is the usual way of things."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command as the dealer met it."""

    table: str
    number: int
    command: str
    status: int
    ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A leg's accepted command."""

    environment: str
    number: int
    command: str
    latency_ms: float


@dataclass(slots=True)
class Column:
    """A table of the matrix and the round it is at."""

    number: int = 0
    round: Round | None = None


@dataclass(slots=True)
class Board:
    """Filled by the players, drawn by the screen, summed up by the report."""

    say: Callable[[str], None]
    rounds_wanted: int
    columns: dict[str, Column] = field(
        default_factory=lambda: {table.name: Column() for table in script.TABLES}
    )
    calls: list[Call] = field(default_factory=list)
    marks: dict[tuple[str, str, str, str], Mark] = field(default_factory=dict)
    played: dict[str, tuple[int, Round]] = field(default_factory=dict)
    _troubled: dict[tuple[str, str, str, str], str] = field(default_factory=dict)

    def begin(self, table: str, number: int) -> None:
        self.columns[table] = Column(number)

    def hear(self, number: int, command: str, answer: Answer) -> None:
        """Take a command's answer."""
        table = answer.round.table
        self.calls.append(Call(table, number, command, answer.status, answer.ms))
        result = f" {wheel.describe(answer.round.result)}" if command == "result" else ""
        self.say(
            f"{table:<8} {number}/{self.rounds_wanted}  {command + result:<14} {answer.status} "
            f"{answer.round.outcome:<8} {answer.ms:7.1f} ms"
        )
        self.see(number, answer.round, answered=True)

    def see(self, number: int, seen: Round, *, answered: bool = False) -> None:
        """Take a round as it stands; say what changed for the worse and back."""
        before = self.played.get(seen.id)
        self.columns[seen.table] = Column(number, seen)
        self.played[seen.id] = (number, seen)
        for leg in seen.legs:
            self._follow(number, seen, leg, quiet=frozenset() if answered else _UNDER_WAY)
        if seen.over and not (before and before[1].over):
            skew = "-" if seen.skew_ms is None else f"{seen.skew_ms:.1f} ms"
            self.say(
                f"{seen.table:<8} {number}/{self.rounds_wanted}  {seen.state}, "
                f"{len(seen.legs)} legs, skew {skew}"
            )

    def _follow(self, number: int, seen: Round, leg: Leg, quiet: frozenset[str]) -> None:
        if leg.command is None:
            return
        key = (seen.id, leg.environment, leg.game_code, leg.command)
        what = f"{leg.environment} {leg.game_code} {leg.command}"
        if leg.outcome == "accepted":
            if leg.latency_ms is not None:
                self.marks[key] = Mark(leg.environment, number, leg.command, leg.latency_ms)
            if self._troubled.pop(key, None):
                times = "1 attempt" if leg.attempts == 1 else f"{leg.attempts} attempts"
                self.say(f"{what}: accepted after all, {times}")
        elif leg.outcome not in {None, "superseded", self._troubled.get(key), *quiet}:
            self._troubled[key] = str(leg.outcome)
            self.say(f"{what}: {leg.outcome}" + (f", {leg.detail}" if leg.detail else ""))
