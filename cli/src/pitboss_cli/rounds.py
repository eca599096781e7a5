"""Rounds as text: the matrix of one, a list of several, and the exit code of an outcome."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pitboss_cli import grid, moments, results
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.refusals import Exit

Document = Mapping[str, Any]

EXITS: Final[Mapping[str, Exit]] = {
    "complete": Exit.DONE,
    "partial": Exit.PARTIAL,
    "pending": Exit.PENDING,
    "failed": Exit.FAILED,
}
"""By the outcome of a round or of a command of a table."""

LEG_EXITS: Final[Mapping[str, Exit]] = {
    "accepted": Exit.DONE,
    "superseded": Exit.DONE,
    "skipped": Exit.DONE,
    "pending": Exit.PENDING,
    "unknown": Exit.PENDING,
}
"""By the outcome of one leg; any other has failed."""

INKS: Final[Mapping[str, Ink]] = {
    "complete": Ink.GREEN,
    "partial": Ink.YELLOW,
    "pending": Ink.YELLOW,
    "failed": Ink.RED,
    "accepted": Ink.GREEN,
    "unknown": Ink.MAGENTA,
    "rejected": Ink.RED,
    "expired": Ink.RED,
    "not_sent": Ink.RED,
    "opened": Ink.GREEN,
    "bet_stopped": Ink.YELLOW,
    "dealt": Ink.CYAN,
    "finished": Ink.BLUE,
    "cancelled": Ink.DIM,
}

_FINE: Final = frozenset({"accepted", "superseded"})


def word(value: object) -> Cell:
    """Give a state or an outcome in its colour."""
    text = str(value) if value is not None else ""
    return Cell(text or "-", INKS.get(text, Ink.PLAIN if text else Ink.DIM))


def leg_outcome(leg: Document) -> str:
    return str((leg.get("last") or {}).get("outcome") or "")


def draw(found: Document, paint: Paint) -> list[str]:
    """Draw one round with a line for each leg."""
    lines = [f"{paint(str(found['round']), Ink.BOLD)}  {_headline(found, paint)}"]
    lines += draw_legs(found["legs"], paint, states=True)
    return lines


def _headline(found: Document, paint: Paint) -> str:
    outcome = str(found["outcome"])
    parts = [
        f"{found['table']} ({found['type']})",
        f"{found['state']},",
        paint(outcome, INKS.get(outcome, Ink.PLAIN)),
    ]
    if result := results.describe(found.get("result")):
        parts.append(f"result {result}")
    parts.append(f"since {moments.show(found['started_at'])}")
    if found.get("skew_ms") is not None:
        parts.append(f"skew {found['skew_ms']:.1f} ms")
    return tame(" ".join(parts)) if not paint.colour else " ".join(parts)


def draw_legs(legs: Sequence[Document], paint: Paint, *, states: bool) -> list[str]:
    """Draw the legs of a round, or of a command of a table, which have no state."""
    head = ["ENVIRONMENT", "TARGET", *(["STATE"] if states else []), "COMMAND", "OUTCOME"]
    head += ["LATENCY", *(["BETS UNTIL"] if states else []), "DETAIL"]
    return grid.draw(head, [_row(leg, states=states) for leg in legs], paint)


def _row(leg: Document, *, states: bool) -> Row:
    last = leg.get("last") or {}
    outcome = str(last.get("outcome") or "")
    target = str(leg["game_code"])
    if leg.get("served_by") not in {None, leg["game_code"]}:
        target += f" by {leg['served_by']}"
    latency = last.get("latency_ms")
    row: list[Cell | str | int | float | None] = [
        f"{leg['environment']}{'*' if leg.get('required') else ''}",
        target,
        *([word(leg.get("state"))] if states else []),
        last.get("command"),
        word(outcome),
        None if latency is None else f"{latency:.1f} ms",
        *([moments.show(leg.get("bet_stop_at"))] if states else []),
        Cell(_detail(last, outcome)),
    ]
    return row


def _detail(last: Document, outcome: str) -> str:
    if not outcome or outcome in _FINE:
        return ""
    said = [str(last[name]) for name in ("code", "detail") if last.get(name)]
    text = ": ".join(said)
    if last.get("next_attempt_at"):
        text += f" (next attempt {moments.show(last['next_attempt_at'])})"
    return text


def draw_list(found: Sequence[Document], paint: Paint) -> list[str]:
    """Draw a line for each round, with the legs in trouble by name."""
    rows: list[Row] = [
        (
            one["round"],
            one["table"],
            moments.show(one["started_at"]),
            word(one["state"]),
            word(one["outcome"]),
            results.describe(one.get("result")),
            Cell(", ".join(troubles(one))),
        )
        for one in found
    ]
    head = ("ROUND", "TABLE", "STARTED", "STATE", "OUTCOME", "RESULT", "NOT DONE")
    return grid.draw(head, rows, paint)


def troubles(found: Document) -> list[str]:
    return [
        f"{leg['environment']}/{leg['game_code']} {leg_outcome(leg)}"
        for leg in found["legs"]
        if leg_outcome(leg) and leg_outcome(leg) not in _FINE
    ]
