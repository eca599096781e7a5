"""The rows of the simulated ledger, named as the columns of the real one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ledger.domain.commands import Kind

UNSETTLED = ("pending", "sending", "unknown")


@dataclass(frozen=True, slots=True)
class Place:
    """A target of a physical table, as its environment's document has it."""

    environment: str
    game_code: str
    required: bool
    bet_stop: str
    finish_policy: str
    deal_to_finish: timedelta
    backups: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Round:
    """A round of a physical table."""

    id: str
    table_id: str
    state: str = "open"
    result: dict[str, object] | None = None
    answered: bool = False
    commands: dict[Kind, str] = field(default_factory=dict)
    legs: list["Leg"] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Leg:
    """A target's part in a round."""

    round: Round
    place: Place
    served_by: str
    number: int = 0
    state: str = "pending"
    known_round_id: str | None = None
    external_round_id: str | None = None
    bet_stop_at: datetime | None = None
    auto_bet_stop: bool | None = None
    dealt_at: datetime | None = None
    deliveries: dict[Kind, "Delivery"] = field(default_factory=dict)

    @property
    def target(self) -> tuple[str, str]:
        return (self.place.environment, self.place.game_code)


@dataclass(slots=True, eq=False)
class Delivery:
    """One command for one leg."""

    id: str
    seq: int
    command_id: str
    leg: Leg
    kind: Kind
    rank: int
    body: dict[str, object]
    state: str
    due_at: datetime
    deadline_at: datetime
    created_at: datetime
    token: str | None = None
    lease_until: datetime | None = None
    look: bool = False
    scheduled: bool = False
    timer: bool = False
    live: bool = False
    attempts: int = 0
    calls: int = 0
    fenced: int = 0
    first_sent_at: datetime | None = None
    first_call_at: datetime | None = None
    outcome: str | None = None
    cause: str | None = None
    code: str | None = None
    settled_at: datetime | None = None
    trouble: bool = False
    """Whether anything but the plain way happened to it: a lost lease, a reason for waiting."""

    @property
    def unsettled(self) -> bool:
        return self.settled_at is None
