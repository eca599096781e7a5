"""What the rounds came to: numbers, words, JSON, and whether all is as it should be."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from native.demo import script
from native.demo.board import Board
from native.demo.configuration import Document
from native.demo.simulator import Effects
from native.demo.views import Leg, Round

_COMMANDS: Final = ("start", "result", "finish")
_EFFECTS: Final = ("start", "bet-stop", "deal", "finish")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What took effect on the tables, and what is wrong, in sentences."""

    effects: int
    wrong: tuple[str, ...]


def percentile(values: Sequence[float], share: float) -> float | None:
    """Give the nearest-rank percentile, rounded to a tenth; None of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return round(ranked[max(0, -(-len(ranked) * int(share) // 100) - 1)], 1)


def judge(board: Board, unresolved: Collection[str], effects: Effects) -> Verdict:
    """Hold what the ledger says against what the tables did: each effect once, none missing."""
    wrong = []
    total = 0
    for _, seen in board.played.values():
        if seen.state != "finished" or seen.id in unresolved:
            state = "unresolved" if seen.state == "finished" else seen.state
            wrong.append(f"Round {seen.id} on {seen.table} is {state}.")
        for leg in seen.legs:
            counts = {each: effects[leg.external_round_id or "", each] for each in _EFFECTS}
            total += sum(counts.values())
            wrong += [
                f"{leg.environment} {leg.game_code}: {each} took effect {count} times in {seen.id}."
                for each, count in counts.items()
                if count != 1
            ]
    return Verdict(total, tuple(wrong))


def summarize(board: Board, verdict: Verdict, seconds: float) -> Document:
    """Sum up; the last round counts apart, for there an environment misbehaved on purpose."""
    rounds = [seen for _, seen in board.played.values()]
    last = board.rounds_wanted
    return {
        "rounds": len(rounds),
        "legs": sum(len(seen.legs) for seen in rounds),
        "outcomes": dict(Counter(seen.outcome for seen in rounds)),
        "commands": {command: _sum_command(board, command) for command in _COMMANDS},
        "skew_ms": {
            "usual": _skew(seen for number, seen in board.played.values() if number < last),
            "last_round": _skew(seen for number, seen in board.played.values() if number == last),
        },
        "misbehaved": script.MISBEHAVES,
        "effects": verdict.effects,
        "wrong": list(verdict.wrong),
        "seconds": round(seconds, 2),
    }


def _sum_command(board: Board, command: str) -> Document:
    calls = [call for call in board.calls if call.command == command]
    marks = [mark for mark in board.marks.values() if mark.command == command]
    usual = [mark.latency_ms for mark in marks if mark.number < board.rounds_wanted]
    others = [
        mark.latency_ms
        for mark in marks
        if mark.number == board.rounds_wanted and mark.environment != script.MISBEHAVES
    ]
    return {
        "answers": dict(Counter(str(call.status) for call in calls)),
        "dealer_ms": _spread([call.ms for call in calls]),
        "leg_ms": _spread(usual),
        "other_legs_ms": _spread(others),
    }


def _spread(values: Sequence[float]) -> Document:
    return {"p50": percentile(values, 50), "p95": percentile(values, 95)}


def _skew(rounds: Iterable[Round]) -> Document:
    skews = [seen.skew_ms for seen in rounds if seen.skew_ms is not None]
    return {"p50": percentile(skews, 50), "max": percentile(skews, 100)}


def write(board: Board, summary: Document, urls: Document) -> Document:
    """Give the one document of --json."""
    return {
        "rounds": [
            {
                "table": seen.table,
                "round": seen.id,
                "state": seen.state,
                "outcome": seen.outcome,
                "result": seen.result,
                "skew_ms": seen.skew_ms,
                "legs": [_write_leg(leg) for leg in seen.legs],
            }
            for _, seen in board.played.values()
        ],
        "summary": summary,
        "urls": urls,
    }


def _write_leg(leg: Leg) -> Document:
    return {
        "environment": leg.environment,
        "game_code": leg.game_code,
        "state": leg.state,
        "outcome": leg.outcome,
        "latency_ms": leg.latency_ms,
        "bet_period": leg.bet_period,
    }
