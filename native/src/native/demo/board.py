"""What the demo has seen so far: each table's round, each call and each leg's way."""

from collections.abc import Callable
from dataclasses import dataclass, field

from native.demo import script, wheel
from native.demo.gateway import Answer
from native.demo.views import ENDED, Leg, Round


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
    _troubled: set[tuple[str, str, str, str | None]] = field(default_factory=set)

    def begin(self, table: str, number: int) -> None:
        self.columns[table] = Column(number)

    def hear(self, number: int, command: str, answer: Answer) -> None:
        """Take a command's answer."""
        table = answer.round.table
        self.calls.append(Call(table, number, command, answer.status, answer.ms))
        result = f" {wheel.describe(answer.round.result)}" if command == "result" else ""
        did = f"{command}{result}"
        self.say(
            f"{table:<8} {number}/{self.rounds_wanted}  {did:<14} {answer.status} "
            f"{answer.round.outcome:<8} {answer.ms:7.1f} ms"
        )
        self.see(number, answer.round)

    def see(self, number: int, seen: Round) -> None:
        """Take a round as it stands; say what changed for the worse and back."""
        before = self.played.get(seen.id)
        self.columns[seen.table] = Column(number, seen)
        self.played[seen.id] = (number, seen)
        for leg in seen.legs:
            self._follow(number, seen, leg)
        if seen.state in ENDED and (before is None or before[1].state != seen.state):
            skew = "-" if seen.skew_ms is None else f"{seen.skew_ms:.1f} ms"
            self.say(
                f"{seen.table:<8} {number}/{self.rounds_wanted}  {seen.state}, "
                f"{len(seen.legs)} legs, skew {skew}"
            )

    def _follow(self, number: int, seen: Round, leg: Leg) -> None:
        if leg.command is None:
            return
        key = (seen.id, leg.environment, leg.game_code, leg.command)
        what = f"{leg.environment} {leg.game_code} {leg.command}"
        if leg.outcome == "accepted":
            if leg.latency_ms is not None:
                self.marks[key] = Mark(leg.environment, number, leg.command, leg.latency_ms)
            if self._was_troubled(key):
                times = "attempt" if leg.attempts == 1 else "attempts"
                self.say(f"{what}: accepted after all, {leg.attempts} {times}")
                self._troubled = {each for each in self._troubled if each[:3] != key[:3]}
        elif leg.outcome != "superseded" and (*key[:3], f"{leg.command} {leg.outcome}") not in (
            self._troubled
        ):
            self._troubled.add((*key[:3], f"{leg.command} {leg.outcome}"))
            reason = f": {leg.detail}" if leg.detail else ""
            self.say(f"{what} {leg.outcome}{reason}")

    def _was_troubled(self, key: tuple[str, str, str, str]) -> bool:
        return any(
            each[:3] == key[:3] and str(each[3]).split()[0] == key[3] for each in self._troubled
        )
