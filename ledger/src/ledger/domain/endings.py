"""The ends of a delivery that no answer of the table brings about."""

from datetime import datetime, timedelta

from ledger.domain.deliveries import Lease, Settlement
from ledger.domain.outcomes import Outcome, Verdict

# A start that was sent may take effect for this long after its deadline; it is watched so long.
WATCHED_FOR = timedelta(seconds=15)


def settled(lease: Lease, now: datetime, state: str, code: str, detail: str) -> Settlement:
    # That an earlier call may have arrived stays known: a cancel of the leg looks for its effect.
    return Settlement(lease, state, now, outcome=state, code=code, detail=detail, look=lease.look)


def overtaken(lease: Lease, now: datetime) -> Settlement:
    """End what a later command made pointless."""
    if lease.kind.of_table:
        sentence = f"A later command of the table made this {lease.kind} pointless."
        return settled(lease, now, "superseded", "overtaken", sentence)
    return settled(lease, now, "superseded", "cancelled", "The round was cancelled.")


def unseen(lease: Lease, now: datetime, verdict: Verdict | None = None) -> Settlement:
    """End what may have arrived and can't be told from looking: that it is unknown is final."""
    said = verdict.detail if verdict else None
    return Settlement(
        lease,
        "expired",
        now,
        outcome=Outcome.UNKNOWN,
        cause=verdict.cause if verdict else None,
        code="unknown_for_good",
        detail=said or f"Whether the {lease.kind} took effect is not known.",
    )
