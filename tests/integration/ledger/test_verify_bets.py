"""What the verifier says of bets that were stopped late, or looked at first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.domain.deliveries import Attempt
from ledger.verify.running import Scope, verify

SENT, LOOKED = ("bet-stop", 8.1), ("get", 8.0)
SAID = "late_bet_stop"


@pytest.mark.parametrize(
    ("calls", "code", "late"),
    [
        # An earlier call did it, and what came of that was not written.
        ((LOOKED,), None, False),
        ((("bet-stop", 0.01), LOOKED), None, False),
        ((LOOKED, SENT), SAID, False),
        ((LOOKED, SENT), None, True),
        ((SENT,), SAID, False),
        ((SENT,), None, True),
    ],
)
async def test_bets_that_a_look_found_stopped_were_not_stopped_late(
    ledger: Any, calls: tuple[tuple[str, float], ...], code: str | None, *, late: bool
) -> None:
    round_id = await ledger.opened(ledger.target("CIT", bet_stop="driver"), bets_s=0)
    due = datetime.now(UTC) - timedelta(seconds=9)
    began = due - timedelta(seconds=15)
    await ledger.conn.execute("UPDATE deliveries SET created_at = $1", began)
    await ledger.conn.execute("UPDATE legs SET bet_stop_at = $1, opened_at = $2", due, began)
    await ledger.make_due(round_id)
    await ledger.claim()
    await ledger.make_due(round_id)  # the lease runs out, and with it the account of the call
    (lease,) = await ledger.claim()
    assert lease.look
    attempts = tuple(
        Attempt(due + timedelta(seconds=s), name, "accepted", "none", 200, None, None, 5.0)
        for name, s in calls
    )
    await ledger.settle(lease, attempts=attempts, code=code)
    verdict = await verify(ledger.conn, Scope())
    named = {finding.check.name for finding in verdict.findings if not finding.ok}
    assert named == ({"bets_stop_on_time"} if late else set())
