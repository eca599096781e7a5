"""The next step of a leased delivery: give it up, look at the table, send, or settle it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random

from ledger.domain import policy, reconcile
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Attempt, Lease, Opened, Settlement
from ledger.domain.endings import WATCHED_FOR, overtaken, settled, unseen
from ledger.domain.outcomes import Cause, Outcome, Verdict
from ledger.domain.reconcile import Action, Decision, Ours
from ledger.domain.tableview import TableView

# Bets that are stopped later than this after their time are late, and the ledger says so.
ON_TIME = timedelta(milliseconds=250)

# Where a leg must stand for a command to make sense on it; cancel has its own rule.
_FITS = {
    Kind.START: frozenset({"pending"}),
    Kind.BET_STOP: frozenset({"opened"}),
    Kind.RESULT: frozenset({"opened", "bet_stopped"}),
    Kind.FINISH: frozenset({"dealt"}),
    Kind.CANCEL: frozenset({"pending", "opened", "bet_stopped", "dealt", "failed"}),
}


class Do(Enum):
    """What to do at the table next."""

    LOOK = auto()
    SEND = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call came to, with the attempts it took (a refreshed session makes it two)."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]
    at: datetime


def first(lease: Lease, now: datetime) -> Do | Settlement:
    """Begin: decide without the table what can be decided without it."""
    if lease.overtaken and lease.kind is not Kind.CANCEL:
        return overtaken(lease, now)
    if not lease.kind.of_table and lease.leg_state not in _FITS[lease.kind]:
        sentence = f"The leg is {lease.leg_state}, so a {lease.kind} is pointless."
        return settled(lease, now, "superseded", f"leg_{lease.leg_state}", sentence)
    if lease.kind is Kind.CANCEL and lease.external_round_id is None and lease.started_at is None:
        # Whatever round the table has is another's: an earlier one that was left behind, perhaps.
        sentence = "The start was never sent here: there is nothing to cancel."
        return settled(lease, now, "superseded", "nothing_to_cancel", sentence)
    if lease.look:
        return Do.LOOK if policy.POLICIES[lease.kind].reconcile else unseen(lease, now)
    if now >= lease.deadline_at:
        sentence = f"The deadline of the {lease.kind} passed before it was sent."
        alert = lease.kind in (Kind.RESULT, Kind.FINISH, Kind.CANCEL)
        return replace(settled(lease, now, "expired", "deadline", sentence), alert=alert)
    return Do.SEND


def after_look(
    lease: Lease, reply: Reply, *, refusal: Reply | None, random: Random
) -> Do | Settlement:
    """Decide from what the table shows whether the command is done, pointless or to be sent.

    `refusal` is the answer that made us look: it stands unless the table shows the command done.
    """
    seen = reply.verdict.table
    if reply.verdict.outcome is not Outcome.ACCEPTED or seen is None:
        if reply.verdict.outcome is Outcome.REJECTED:
            # What may have arrived can't be seen any more: that is for people to know.
            return replace(_refused(lease, reply), alert=True)
        return _look_again(lease, reply, random=random)
    deadline = lease.deadline_at
    decision = reconcile.decide(
        lease.kind, ours=_ours(lease), seen=seen, now=reply.at, deadline=deadline
    )
    if decision.action is Action.SEND:
        return Do.SEND if refusal is None else _refused(lease, refusal)
    # A cancel that finds nothing waits for a start on its way, not for its own deadline tomorrow.
    since = lease.written_at if decision.action is Action.SUPERSEDE else deadline
    never_sent = lease.kind is Kind.CANCEL and lease.started_at is None
    watched = decision.watch and not never_sent and reply.at < since + WATCHED_FOR
    if decision.code == "bets_still_open":
        return _too_early(lease, reply, decision, random=random)
    if decision.action is Action.WAIT and reply.at >= lease.written_at + WATCHED_FOR:
        # The table goes on showing no round: people are told, and no next start is held up.
        return _decided(lease, reply, replace(decision, action=Action.REJECT, alert=True))
    if decision.action is Action.WAIT or watched:
        return replace(
            _look_again(lease, reply, random=random), code=decision.code, detail=decision.detail
        )
    return _decided(lease, reply, decision)


def after_send(
    lease: Lease, reply: Reply, *, random: Random, seen: TableView | None = None
) -> Do | Settlement:
    """Turn the answer to the command into the delivery's next state.

    `seen` is the table as it was looked at before: a cancel of a round whose start was never
    answered has learnt its id there, and the next start must know it for an old one.
    """
    verdict = reply.verdict
    if verdict.outcome is Outcome.ACCEPTED:
        opened = _opened(verdict.table, reply.at) if lease.kind is Kind.START else None
        if lease.kind is Kind.CANCEL and lease.external_round_id is None:
            opened = _opened(seen, reply.at)
        late = lease.kind is Kind.BET_STOP and reply.at > lease.due_at + ON_TIME
        return Settlement(
            lease,
            "accepted",
            reply.at,
            outcome=Outcome.ACCEPTED,
            code="late_bet_stop" if late else None,
            detail="The bets were stopped late: nobody could do it at its time." if late else None,
            opened=opened,
        )
    # A refused result may only be early: a table whose clock is behind still takes bets.
    if reconcile.doubtful(lease.kind, verdict, sent=lease.look or lease.kind is Kind.RESULT):
        return Do.LOOK
    if verdict.outcome is Outcome.REJECTED:
        return _refused(lease, reply)
    if verdict.outcome is Outcome.UNKNOWN:
        if not policy.POLICIES[lease.kind].reconcile:
            return unseen(lease, reply.at, verdict)
        return _look_again(lease, reply, random=random)
    due_at = policy.next_attempt(
        lease.kind,
        verdict.cause,
        attempt=lease.attempts + 1,
        first_sent_at=lease.first_sent_at or lease.written_at,
        now=reply.at,
        retry_after_s=verdict.retry_after_s,
        random=random,
        deadline=lease.deadline_at,
    )
    state = "pending" if due_at else "unknown" if lease.look else "expired"
    # What may have arrived is not given up unseen: past the deadline it is looked at, not sent.
    return _written(lease, reply, state=state, due_at=due_at or reply.at, look=lease.look)


def with_attempts(settlement: Settlement, attempts: Sequence[Attempt]) -> Settlement:
    """Put down every call made under the lease, in order."""
    sent = [a.at for a in attempts if a.operation == settlement.lease.kind.operation]
    first_sent = settlement.lease.first_sent_at or (sent[0] if sent else None)
    return replace(settlement, attempts=tuple(attempts), first_sent_at=first_sent)


def _look_again(lease: Lease, reply: Reply, *, random: Random) -> Settlement:
    """Look at the table later; looking has no deadline, only a slower and slower pace.

    A command of the table itself is worth no such patience: no round's end depends on it.
    """
    if lease.kind.of_table and reply.at >= lease.deadline_at + WATCHED_FOR:
        return unseen(lease, reply.at, reply.verdict)
    due_at = policy.next_attempt(
        "result",
        reply.verdict.cause,
        attempt=lease.attempts + 1,
        first_sent_at=lease.first_sent_at or lease.written_at,
        now=reply.at,
        retry_after_s=reply.verdict.retry_after_s,
        random=random,
        deadline=datetime.max.replace(tzinfo=reply.at.tzinfo),
    )
    return _written(lease, reply, state="unknown", due_at=due_at or reply.at, look=True)


def _too_early(lease: Lease, reply: Reply, decision: Decision, *, random: Random) -> Settlement:
    """Keep a result until the table has stopped its bets; it has not been taken, that is known."""
    waits = _look_again(lease, reply, random=random)
    return replace(
        waits,
        state="pending",
        outcome=Outcome.NOT_SENT,
        code=decision.code,
        detail=decision.detail,
    )


def _written(lease: Lease, reply: Reply, *, state: str, due_at: datetime, look: bool) -> Settlement:
    verdict = reply.verdict
    return Settlement(
        lease,
        state,
        reply.at,
        outcome=verdict.outcome,
        cause=verdict.cause,
        code=verdict.code,
        detail=verdict.detail,
        due_at=due_at,
        look=look,
    )


def _refused(lease: Lease, reply: Reply) -> Settlement:
    refused = _written(lease, reply, state="rejected", due_at=reply.at, look=False)
    table = reply.verdict.table
    # A table in maintenance is not to be had: a start may go to a backup.
    return replace(refused, cause=Cause.UNAVAILABLE) if table and table.maintenance else refused


def _decided(lease: Lease, reply: Reply, decision: Decision) -> Settlement:
    opened = None
    if decision.adopt_round_id is not None:
        opened = Opened(
            decision.adopt_round_id,
            decision.bet_period,
            _bet_stop_at(decision.bet_stop_at, decision.bet_period, reply.at),
            bool(decision.auto_bet_stop),
        )
    return Settlement(
        lease,
        decision.outcome,
        reply.at,
        outcome=decision.outcome,
        code=decision.code,
        detail=decision.detail,
        opened=opened,
        alert=decision.alert,
        cancel_late=decision.action is Action.CANCEL_LATE,
    )


def _ours(lease: Lease) -> Ours:
    return Ours(
        external_round_id=lease.external_round_id,
        last_known_round_id=lease.known_round_id,
        result=lease.body if lease.kind is Kind.RESULT else None,
        pause_reason=_said(lease, "reason"),
        visibility=_said(lease, "visibility"),
        sent=lease.look,
        required=lease.required,
        sent_at=_start_sent_at(lease),
    )


def _start_sent_at(lease: Lease) -> datetime:
    """Say since when a round on the table may be ours; a cancel comes long after the start."""
    if lease.kind is Kind.CANCEL:
        return lease.started_at or lease.written_at
    return lease.first_sent_at or lease.written_at


def _said(lease: Lease, name: str) -> str | None:
    value = lease.body.get(name)
    return value if isinstance(value, str) else None


def _opened(table: TableView | None, at: datetime) -> Opened | None:
    if table is None or table.round_id is None:
        return None
    return Opened(
        table.round_id,
        table.bet_period,
        _bet_stop_at(table.bet_stop_at, table.bet_period, at),
        bool(table.auto_bet_stop),
    )


def _bet_stop_at(told: datetime | None, bet_period: int | None, at: datetime) -> datetime | None:
    """Give the server's own deadline; where it tells none, its period counts from its answer."""
    if told is None and bet_period is not None:
        return at + timedelta(seconds=bet_period)
    return told
