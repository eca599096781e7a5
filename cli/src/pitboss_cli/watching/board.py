"""What is known of the tables, and its picture: tables down, environments across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pitboss_cli import grid, results
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint
from pitboss_cli.rounds import Document, leg_outcome

_STATES: Final[Mapping[str, tuple[str, Ink]]] = {
    "pending": ("\N{HORIZONTAL ELLIPSIS}", Ink.DIM),
    "opened": ("\N{BLACK CIRCLE} open", Ink.GREEN),
    "bet_stopped": ("\N{BLACK SQUARE} stopped", Ink.YELLOW),
    "dealt": ("\N{BLACK DIAMOND} dealt", Ink.CYAN),
    "finished": ("\N{CHECK MARK} done", Ink.BLUE),
    "cancelled": ("\N{MULTIPLICATION SIGN} off", Ink.DIM),
    "failed": ("\N{MULTIPLICATION SIGN} failed", Ink.RED),
}
_TROUBLES: Final[Mapping[str, tuple[str, Ink]]] = {
    "pending": (" \N{HORIZONTAL ELLIPSIS}", Ink.YELLOW),
    "unknown": (" ?", Ink.MAGENTA),
    "not_sent": (" !", Ink.RED),
    "rejected": (" !", Ink.RED),
    "expired": (" !", Ink.RED),
}
_WORST_FIRST: Final = ("rejected", "expired", "not_sent", "unknown", "pending")
_LIGHTS: Final = {"go": Ink.GREEN, "go_without": Ink.YELLOW, "hold": Ink.RED}


@dataclass(slots=True)
class Board:
    """Each table's light and its latest round."""

    tables: dict[str, Document] = field(default_factory=dict)
    rounds: dict[str, Document] = field(default_factory=dict)

    def learn_tables(self, found: Sequence[Document]) -> None:
        self.tables = {str(one["table"]): one for one in found}

    def learn_round(self, found: Document) -> bool:
        """Take a round in unless a later one is known; tell whether anything is new."""
        table = str(found["table"])
        known = self.rounds.get(table)
        if known is not None and str(known["round"]) > str(found["round"]):
            return False
        self.rounds[table] = found
        return known != found

    def list_environments(self) -> list[str]:
        """Name the environments, those that are required first."""
        targets = [target for one in self.tables.values() for target in one["targets"]]
        required = {str(target["environment"]) for target in targets if target["required"]}
        everyone = {str(target["environment"]) for target in targets}
        everyone |= {str(leg["environment"]) for one in self.rounds.values() for leg in one["legs"]}
        return sorted(everyone, key=lambda name: (name not in required, name))

    def draw(self, now: datetime, paint: Paint, room: int) -> list[str]:
        """Draw a line for each table, those in trouble first where there is no room for all."""
        environments = self.list_environments()
        names = sorted({*self.tables, *self.rounds})
        shown = names
        if len(names) > room > 0:
            busy = sorted(
                names, key=lambda name: (not self._in_trouble(name), not self._open(name))
            )
            shown = sorted(busy[: room - 1])
        rows = [self._row(name, environments, now) for name in shown]
        lines = grid.draw(("TABLE", "LIGHT", "ROUND", "BETS", "RESULT", *environments), rows, paint)
        if len(shown) < len(names):
            lines.append(paint(f"... and {len(names) - len(shown)} more", Ink.DIM))
        return lines

    def _urgency(self, name: str) -> tuple[bool, bool]:
        return not self._in_trouble(name), not self._open(name)

    def _open(self, name: str) -> bool:
        return self.rounds.get(name, {}).get("state") not in {None, "finished", "cancelled"}

    def _in_trouble(self, name: str) -> bool:
        legs = self.rounds.get(name, {}).get("legs", [])
        return any(leg_outcome(leg) in _TROUBLES for leg in legs)

    def _row(self, name: str, environments: Sequence[str], now: datetime) -> Row:
        light = str(self.tables.get(name, {}).get("readiness", {}).get("light", ""))
        found = self.rounds.get(name)
        head: list[Cell | str | int | float | None] = [
            name,
            Cell(light, _LIGHTS.get(light, Ink.PLAIN)),
        ]
        if found is None:
            return [*head, *[Cell("")] * (3 + len(environments))]
        cells = [_cell(found["legs"], environment) for environment in environments]
        return [
            *head,
            Cell(str(found["state"])),
            Cell(_left(found, now)),
            Cell(results.describe(found["result"])),
            *cells,
        ]


def _left(found: Document, now: datetime) -> str:
    """Say how long bets are still taken, by the target that takes them longest."""
    stops = [leg["bet_stop_at"] for leg in found["legs"] if leg["bet_stop_at"]]
    if found["state"] != "open" or not stops:
        return ""
    seconds = (datetime.fromisoformat(max(stops)) - now).total_seconds()
    return f"{max(0.0, seconds):.0f}s"


def _cell(legs: Sequence[Mapping[str, Any]], environment: str) -> Cell:
    """Draw an environment by its leg in the worst trouble."""
    here = [leg for leg in legs if leg["environment"] == environment]
    if not here:
        return Cell("")
    leg = min(here, key=_rank)
    text, ink = _STATES.get(str(leg["state"]), (str(leg["state"]), Ink.PLAIN))
    mark, worse = _TROUBLES.get(leg_outcome(leg), ("", ink))
    return Cell(text + mark, worse)


def _rank(leg: Document) -> int:
    outcome = leg_outcome(leg)
    return _WORST_FIRST.index(outcome) if outcome in _WORST_FIRST else len(_WORST_FIRST)
