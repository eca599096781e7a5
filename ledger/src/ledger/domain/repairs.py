"""What people may mend by hand, and what is left alone, with the reason."""

from dataclasses import dataclass
from datetime import datetime

from ledger.domain.commands import Kind
from ledger.domain.deliveries import SETTLED


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery as people who mend see it."""

    id: str
    round_id: str | None
    table_id: str
    environment: str
    game_code: str
    kind: str
    state: str
    outcome: str | None
    code: str | None
    detail: str | None
    attempts: int
    created_at: datetime
    due_at: datetime | None
    round_state: str | None


def left_out(found: Listed) -> str | None:
    """Say why a delivery is not sent again; None when it is."""
    if found.state == "accepted":
        return "accepted"
    if found.state == "skipped":
        return "skipped by an operator"
    if found.state == "sending":
        return "under way"
    if found.kind == Kind.START:
        return "a late start is harmful"
    if Kind(found.kind).of_table:
        return "a command of the table is asked for anew"
    if found.kind == Kind.BET_STOP and found.state in SETTLED:
        return "its time has passed"
    if found.round_state == "cancelled" and found.kind != Kind.CANCEL:
        return "the round is cancelled"
    if found.code in ("moved_on", "result_conflict"):
        return "the table has another round or result: look at its drift"
    if found.state == "superseded" and not (found.code or "").startswith("leg_"):
        return "a later command made it pointless"
    return None
