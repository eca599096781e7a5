"""A round as people see it: its legs, and how its last command went."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.commands import Kind

UNSETTLED = frozenset({"pending", "sending", "unknown"})
POINTLESS = frozenset({"superseded", "skipped"})
OPEN = frozenset({"open", "dealt"})

RoundOutcome = Literal["complete", "partial", "failed", "pending"]


@dataclass(frozen=True, slots=True)
class Last:
    """The newest command of a leg and how far it got."""

    command: str
    command_id: str
    state: str
    outcome: str | None
    code: str | None
    detail: str | None
    attempts: int
    latency_ms: float | None
    next_attempt_at: datetime | None

    @property
    def shown(self) -> str:
        """The word callers read: a settled state, or what is known so far."""
        if self.state == "sending":
            return "pending"
        if self.state == "expired" and self.outcome in ("not_sent", "unknown"):
            return self.outcome
        return self.state

    def may_settle_by(self, horizon: datetime) -> bool:
        """Say whether it is under way, or due before the horizon."""
        if self.state == "sending":
            return True
        due = self.next_attempt_at
        return self.state in UNSETTLED and (due is None or due <= horizon)


@dataclass(frozen=True, slots=True)
class Leg:
    """One target's part in a round."""

    environment: str
    game_code: str
    served_by: str
    required: bool
    state: str
    external_round_id: str | None
    bet_period: int | None
    bet_stop_at: datetime | None
    auto_bet_stop: bool | None
    opened_at: datetime | None
    last: Last | None

    def state_at(self, now: datetime) -> str:
        """Give the state; a table that stops its own bets has done so once its time has come."""
        stops_itself = self.auto_bet_stop and self.bet_stop_at is not None
        if self.state == "opened" and stops_itself and self.bet_stop_at <= now:  # type: ignore[operator]
            return "bet_stopped"
        return self.state

    @property
    def settled(self) -> bool:
        return self.last is None or self.last.state not in UNSETTLED

    def may_settle_by(self, horizon: datetime) -> bool:
        """Say whether what it owes is under way, or due before the horizon."""
        return self.last is not None and self.last.may_settle_by(horizon)


@dataclass(frozen=True, slots=True)
class Round:
    """One physical game round of a table: an environments x targets matrix."""

    id: str
    table: str
    type: str
    state: str
    result: dict[str, object] | None
    started_at: datetime
    last_command: str
    legs: tuple[Leg, ...]

    def state_at(self, now: datetime) -> str:
        """Give the state; an open round is bet_stopped when every leg that opened is."""
        if self.state != "open":
            return self.state
        states = {leg.state_at(now) for leg in self.legs} - {"failed", "cancelled"}
        return "bet_stopped" if states == {"bet_stopped"} else "open"

    @property
    def addressed(self) -> list[Last]:
        """What the last command came to, on the legs it was meant for."""
        return [
            leg.last for leg in self.legs if leg.last and leg.last.command_id == self.last_command
        ]

    @property
    def outcome(self) -> RoundOutcome:
        states = [last.state for last in self.addressed if last.state not in POINTLESS]
        if all(state == "accepted" for state in states):
            return "complete"
        if "accepted" in states:
            return "partial"
        return "pending" if UNSETTLED.intersection(states) else "failed"

    @property
    def settled(self) -> bool:
        return not any(last.state in UNSETTLED for last in self.addressed)

    def may_settle_by(self, horizon: datetime) -> bool:
        """Say whether anything unsettled is under way, or due before the horizon."""
        return any(last.may_settle_by(horizon) for last in self.addressed)

    @property
    def skew_ms(self) -> float | None:
        """The spread between the first and the last accepted start."""
        opened = [leg.opened_at for leg in self.legs if leg.opened_at]
        if not opened:
            return None
        return round((max(opened) - min(opened)).total_seconds() * 1000, 1)


def refusal(kind: Kind, state: str) -> str | None:
    """Say why a round in this state does not take this command; None when it does."""
    if state == "cancelled":
        return "The round is cancelled; start a new one."
    if state == "finished":
        return "The round is finished; start a new one."
    if kind is Kind.BET_STOP and state == "dealt":
        return "The round already has its result, so its bets are stopped."
    if kind is Kind.FINISH and state == "open":
        return "The round has no result yet: give its result first, or cancel it."
    return None
