"""When a backup may take a start over: only where it is certain that it began nowhere."""

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Settlement
from ledger.domain.outcomes import Cause, Outcome

# Why a target is not to be had, whatever the start asks of it.
_OUT_OF_REACH = (Cause.BREAKER, Cause.UNAVAILABLE, Cause.REFUSED)


def allows(settlement: Settlement, *, in_doubt: bool) -> bool:
    """Say whether the next choice may be tried; `in_doubt` is whether any call may have arrived."""
    if settlement.lease.kind is not Kind.START or settlement.lease.look or in_doubt:
        return False
    if settlement.outcome == Outcome.NOT_SENT:
        return settlement.cause in _OUT_OF_REACH
    gone = settlement.code == "http_404" or settlement.cause is Cause.UNAVAILABLE
    return settlement.state == "rejected" and gone
