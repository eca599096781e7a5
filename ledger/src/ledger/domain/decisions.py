"""What looking at a table is about: what we know of the leg, and what may be decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.domain.outcomes import Outcome


class Action(StrEnum):
    """What to do with the delivery; `wait` is "cannot be told yet, look again"."""

    ACCEPT = "accept"
    SEND = "send"
    REJECT = "reject"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    CANCEL_LATE = "cancel_late"
    ALERT = "alert"
    WAIT = "wait"


_OUTCOMES: Mapping[Action, Outcome] = {
    Action.ACCEPT: Outcome.ACCEPTED,
    Action.SEND: Outcome.PENDING,
    Action.REJECT: Outcome.REJECTED,
    Action.EXPIRE: Outcome.EXPIRED,
    Action.SUPERSEDE: Outcome.SUPERSEDED,
    Action.CANCEL_LATE: Outcome.EXPIRED,
    Action.ALERT: Outcome.EXPIRED,
    Action.WAIT: Outcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Ours:
    """What the ledger knows of the leg; `sent` says an earlier attempt may have arrived.

    `last_known_round_id` is what the target showed before our start, `sent_at` when the start first
    went out.
    """

    external_round_id: str | None = None
    last_known_round_id: str | None = None
    result: Mapping[str, object] | None = None
    pause_reason: str | None = None
    visibility: str | None = None
    saw_finish: bool = False
    saw_cancel: bool = False
    sent: bool = False
    required: bool = False
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why.

    `alert` asks for people's attention, `watch` for another look after the delivery is settled
    (an attempt that went out may yet take effect).
    """

    action: Action
    code: str | None = None
    detail: str | None = None
    alert: bool = False
    watch: bool = False
    adopt_round_id: str | None = None
    bet_stop_at: datetime | None = None
    bet_period: int | None = None
    auto_bet_stop: bool | None = None

    @property
    def outcome(self) -> Outcome:
        """The state the delivery has from now on."""
        return _OUTCOMES[self.action]
