"""What keeps a delivery back from a target that is down, and what becomes of it meanwhile."""

from dataclasses import dataclass
from datetime import datetime

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease, Settlement
from ledger.domain.endings import WATCHED_FOR, settled, unseen
from ledger.domain.outcomes import Cause, Outcome


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a call is not made now, and when to ask again."""

    cause: Cause
    until: datetime
    detail: str


def held(lease: Lease, hold: Hold, *, now: datetime, sent: bool) -> Settlement:
    """Keep a delivery back from a target that is down; no attempt is used up by it.

    A start has no time to wait: it is settled as not sent, at once, unless it may have arrived.
    """
    look = lease.look or sent
    if look and lease.kind.of_table and now >= lease.deadline_at + WATCHED_FOR:
        return unseen(lease, now)
    if hold.cause is Cause.BREAKER and lease.kind is Kind.START and not look:
        return Settlement(
            lease,
            "expired",
            now,
            outcome=Outcome.NOT_SENT,
            cause=hold.cause,
            code="breaker_open",
            detail=hold.detail,
        )
    if hold.until >= lease.deadline_at and not look:
        sentence = f"The deadline of the {lease.kind} passed before it could be sent."
        return settled(lease, now, "expired", "deadline", sentence)
    return Settlement(
        lease,
        "unknown" if look else "pending",
        now,
        outcome=Outcome.UNKNOWN if look else Outcome.NOT_SENT,
        cause=hold.cause,
        code="breaker_open" if hold.cause is Cause.BREAKER else "retries_spent",
        detail=hold.detail,
        due_at=hold.until,
        look=look,
    )
