"""Rounds as the API answers them, read once at the door."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

UNSETTLED: Final = frozenset({"pending", "unknown", "not_sent"})
ENDED: Final = frozenset({"finished", "cancelled"})


@dataclass(frozen=True, slots=True)
class Leg:
    """One target's part in a round, and how its last command went."""

    environment: str
    game_code: str
    required: bool
    state: str
    external_round_id: str | None = None
    bet_period: int | None = None
    bet_stop_at: datetime | None = None
    command: str | None = None
    outcome: str | None = None
    detail: str | None = None
    attempts: int = 0
    latency_ms: float | None = None

    @property
    def settled(self) -> bool:
        return self.outcome not in UNSETTLED


@dataclass(frozen=True, slots=True)
class Round:
    """A round and its matrix of legs."""

    id: str
    table: str
    state: str
    outcome: str
    result: dict[str, object] | None
    skew_ms: float | None
    legs: tuple[Leg, ...]

    @property
    def settled(self) -> bool:
        return all(leg.settled for leg in self.legs)

    @property
    def over(self) -> bool:
        """Tell whether it has ended, and on every leg."""
        return self.state in ENDED and self.settled

    @property
    def bets_stop_at(self) -> datetime | None:
        """When the last of the legs that opened stops its bets."""
        return max((leg.bet_stop_at for leg in self.legs if leg.bet_stop_at), default=None)


def read_round(document: Mapping[str, Any]) -> Round:
    return Round(
        id=document["round"],
        table=document["table"],
        state=document["state"],
        outcome=document["outcome"],
        result=document["result"],
        skew_ms=document["skew_ms"],
        legs=tuple(map(_read_leg, document["legs"])),
    )


def _read_leg(document: Mapping[str, Any]) -> Leg:
    last: Mapping[str, Any] = document["last"] or {}
    stops = document["bet_stop_at"]
    return Leg(
        environment=document["environment"],
        game_code=document["game_code"],
        required=document["required"],
        state=document["state"],
        external_round_id=document["external_round_id"],
        bet_period=document["bet_period"],
        bet_stop_at=None if stops is None else datetime.fromisoformat(stops),
        command=last.get("command"),
        outcome=last.get("outcome"),
        detail=last.get("detail"),
        attempts=last.get("attempts", 0),
        latency_ms=last.get("latency_ms"),
    )
