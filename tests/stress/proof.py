"""The proof beside the verifier: what each console was told, against what each table took."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from native.demo.views import Leg
from stress.score import Played

_OWN_NAMES: Final = {"auto-bet-stop": "bet-stop"}
_PLAYED: Final = frozenset({"start", "bet-stop", "deal", "finish", "cancel"})
_OWED: Final = {
    "opened": ("start",),
    "bet_stopped": ("start",),
    "dealt": ("start", "deal"),
    "finished": ("start", "deal", "finish"),
    "cancelled": ("start", "cancel"),
}

Effects = Sequence[Mapping[str, Any]]


def compare(rounds: Mapping[str, Played], effects: Effects) -> list[str]:
    """Say each thing lost, doubled or wrong; nothing when all is as the consoles were told."""
    seen: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for effect in effects:
        name = _OWN_NAMES.get(effect["operation"], effect["operation"])
        if name in _PLAYED and not effect["repeat"]:
            place = (effect["environment"], effect["table"], effect["round"])
            seen[place].append({**effect, "operation": name})
    wrong: list[str] = []
    for round_id, played in rounds.items():
        if not played.over:
            wrong.append(f"{round_id} on {played.table} has not ended: {played.last.state}")
        for leg in played.last.legs:
            if leg.external_round_id is not None:
                place = (leg.environment, leg.game_code, leg.external_round_id)
                took = seen.pop(place, [])
                said = f"{round_id} {leg.environment} {leg.game_code}"
                wrong += (f"{said}: {one}" for one in _check(played, leg, took))
    tables = {played.table for played in rounds.values()}
    wrong += (
        f"{environment} {table}: round {name} is of no leg and was played on"
        for (environment, table, name), took in seen.items()
        if table in tables and not _ended_unseen(took)
    )
    return wrong


def _check(played: Played, leg: Leg, took: Effects) -> Iterator[str]:
    counts = Counter(one["operation"] for one in took)
    yield from (f"{name} took effect {n} times" for name, n in counts.items() if n > 1)
    yield from (f"{name} is lost" for name in _OWED.get(leg.state, ()) if not counts[name])
    given = list(played.result.values()) if played.result else None
    for one in took:
        if one["operation"] == "deal" and [one["result"]] != given:
            yield f"took the result {one['result']}, given was {given}"
    undealt = leg.state in {"opened", "bet_stopped"}
    if played.last.state == "finished" and undealt and leg.outcome == "accepted":
        yield "the round is finished, and nothing says why this leg has no result"


def _ended_unseen(took: Effects) -> bool:
    """Tell of a start that came too late for its leg: it may only have been cancelled."""
    return {one["operation"] for one in took} <= {"start", "bet-stop", "cancel"}
