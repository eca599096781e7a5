"""A command of a table itself as people see it: how it went on each target."""

from dataclasses import dataclass
from datetime import datetime

from ledger.domain.commands import Kind
from ledger.domain.rounds import UNSETTLED, Last, RoundOutcome


@dataclass(frozen=True, slots=True)
class TargetLeg:
    """One target's part in a command."""

    environment: str
    game_code: str
    required: bool
    last: Last


@dataclass(frozen=True, slots=True)
class TableCommand:
    """One pause, resume, visibility or broadcast; the legs are its targets."""

    id: str
    table: str
    kind: Kind
    legs: tuple[TargetLeg, ...]

    @property
    def outcome(self) -> RoundOutcome:
        states = {leg.last.state for leg in self.legs}
        if states == {"accepted"}:
            return "complete"
        if "accepted" in states:
            return "partial"
        return "pending" if UNSETTLED & states else "failed"

    @property
    def settled(self) -> bool:
        return not any(leg.last.state in UNSETTLED for leg in self.legs)

    def may_settle_by(self, horizon: datetime) -> bool:
        """Say whether anything unsettled is under way, or due before the horizon."""
        return any(leg.last.may_settle_by(horizon) for leg in self.legs)
