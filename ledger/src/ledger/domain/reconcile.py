"""Looking before sending: what a table shows decides what becomes of a command's delivery.

The same decisions serve as repair (an attempt's answer was lost) and as guard (before a finish,
cancel or bet-stop, which carry no round id and would hit whatever round is current).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ledger.domain.decisions import Action, Decision, Ours
from ledger.domain.outcomes import Outcome, Verdict
from ledger.domain.tableview import TableView

__all__ = ["Action", "Decision", "Ours", "decide", "doubtful"]

# clocks differ by seconds, forgotten rounds by minutes: a round this much older is not ours
CLOCKS_DIFFER_BY = timedelta(minutes=1)

_ENDED = frozenset({"finished", "cancelled"})


def decide(
    kind: str, *, ours: Ours, seen: TableView, now: datetime, deadline: datetime | None
) -> Decision:
    """Decide from what the table shows: facts first, the deadline only before sending."""
    decision = _DECIDERS[kind](ours, seen)
    late = deadline is not None and now >= deadline
    if kind == "start":
        return _start_in_time(decision, ours, seen, deadline) if late else decision
    if late and decision.action in (Action.SEND, Action.WAIT):
        sentence = f"The deadline of the {kind} passed before it took effect."
        return Decision(
            Action.EXPIRE, "deadline", sentence, watch=ours.sent, alert=kind in _NEVER_LOST
        )
    return decision


def doubtful(kind: str, verdict: Verdict, *, sent: bool) -> bool:
    """Say whether a refusal may only mean that an earlier attempt did take effect.

    A start whose answer was lost is refused with 13003 when it is sent again, by the round it
    opened itself: look, and let the refusal stand only if the table does not show our command done.
    """
    return sent and verdict.outcome is Outcome.REJECTED and kind in _PER_ROUND


def _start(ours: Ours, seen: TableView) -> Decision:
    if not _is_new(ours, seen):
        return Decision(Action.SEND, "not_started", "The table still shows the previous round.")
    if seen.status in _ENDED:
        return Decision(
            Action.REJECT,
            "ended_elsewhere",
            f"The round opened, but is {seen.status} already, and not by us.",
            alert=True,
            adopt_round_id=seen.round_id,
        )
    return _adopt(Action.ACCEPT, seen)


def _start_in_time(
    decision: Decision, ours: Ours, seen: TableView, deadline: datetime | None
) -> Decision:
    if decision.action is Action.SEND:
        return Decision(
            Action.EXPIRE,
            "deadline",
            "The table did not open the round before the start's deadline.",
            watch=ours.sent,
        )
    opened_in_time = (
        deadline is not None and seen.created_at is not None and seen.created_at <= deadline
    )
    if decision.action is not Action.ACCEPT or opened_in_time:
        # only the look was late; the round is as good as if the answer had not been lost
        return decision
    if ours.required:
        sentence = "The round opened after the start's deadline; a required leg is left to people."
        return replace(_adopt(Action.ALERT, seen), code="late_start", detail=sentence, alert=True)
    sentence = "The round opened after the start's deadline and is to be cancelled."
    return replace(_adopt(Action.CANCEL_LATE, seen), code="late_start", detail=sentence)


def _bet_stop(ours: Ours, seen: TableView) -> Decision:
    where = _where(ours, seen)
    if where is not None and where.action is Action.REJECT:
        return _superseded("moved_on", where.detail)
    if where is not None:
        return where
    if seen.status in ("opened", "unknown"):
        return Decision(Action.SEND)
    return Decision(Action.ACCEPT)


def _result(ours: Ours, seen: TableView) -> Decision:
    where = _where(ours, seen)
    if where is not None:
        # deal names its round, so it may be sent to a table that shows none
        return Decision(Action.SEND) if where.action is Action.WAIT else where
    if seen.result:
        if seen.result == ours.result:
            return Decision(Action.ACCEPT)
        return _rejected("result_conflict", "The table already has another result for this round.")
    if seen.status == "cancelled":
        return _rejected("round_cancelled", "The round is cancelled on this table.")
    if seen.status == "opened":
        return Decision(Action.WAIT, "bets_still_open", "The table still takes bets.")
    return Decision(Action.SEND)


def _finish(ours: Ours, seen: TableView) -> Decision:
    return _end(ours, seen, want="finished", saw=ours.saw_finish)


def _cancel(ours: Ours, seen: TableView) -> Decision:
    if ours.external_round_id is None:
        return _cancel_unknown(ours, seen)
    return _end(ours, seen, want="cancelled", saw=ours.saw_cancel)


def _cancel_unknown(ours: Ours, seen: TableView) -> Decision:
    """Cancel a leg whose start is not known to have worked: only a round that must be ours."""
    if not _is_new(ours, seen) or seen.status == "finished":
        sentence = "The start opened no round here: there is nothing to cancel."
        return replace(_superseded("nothing_to_cancel", sentence), watch=True)
    if seen.status == "cancelled":
        return _adopt(Action.ACCEPT, seen)
    if ours.last_known_round_id is None and (ours.sent_at is None or seen.created_at is None):
        return _rejected("whose_round", "A round is open, but it can't be told whether it is ours.")
    return _adopt(Action.SEND, seen)


def _end(ours: Ours, seen: TableView, *, want: str, saw: bool) -> Decision:
    where = _where(ours, seen)
    if where is not None:
        if where.action is Action.REJECT and saw:
            return Decision(Action.ACCEPT)
        return where
    if seen.status == want:
        return Decision(Action.ACCEPT)
    if seen.status in _ENDED:
        return _rejected(f"round_{seen.status}", f"The round is {seen.status}, not {want}.")
    return Decision(Action.SEND)


def _pause(ours: Ours, seen: TableView) -> Decision:
    same = seen.paused is not None and ours.pause_reason in (None, seen.paused)
    return Decision(Action.ACCEPT if same else Action.SEND)


def _resume(_ours: Ours, seen: TableView) -> Decision:
    return Decision(Action.ACCEPT if seen.paused is None else Action.SEND)


def _visibility(ours: Ours, seen: TableView) -> Decision:
    same = seen.visibility is not None and seen.visibility == ours.visibility
    return Decision(Action.ACCEPT if same else Action.SEND)


def _where(ours: Ours, seen: TableView) -> Decision | None:
    """Decide what needs no more than the round id; None when the table is at our round."""
    if ours.external_round_id is None:
        return _superseded("never_opened", "The leg's round never opened.")
    if seen.round_id is None:
        return Decision(Action.WAIT, "no_round_shown", "The table does not say which round it has.")
    if seen.round_id != ours.external_round_id:
        return _rejected("moved_on", f"The table has moved on to round {seen.round_id}.")
    return None


def _is_new(ours: Ours, seen: TableView) -> bool:
    if seen.round_id is None or seen.round_id == ours.last_known_round_id:
        return False
    if ours.sent_at is None or seen.created_at is None:
        return True
    return seen.created_at >= ours.sent_at - CLOCKS_DIFFER_BY


def _adopt(action: Action, seen: TableView) -> Decision:
    return Decision(
        action,
        adopt_round_id=seen.round_id,
        bet_stop_at=seen.bet_stop_at,
        bet_period=seen.bet_period,
        auto_bet_stop=seen.auto_bet_stop,
    )


def _rejected(code: str, sentence: str) -> Decision:
    return Decision(Action.REJECT, code, sentence, alert=True)


def _superseded(code: str, sentence: str | None) -> Decision:
    return Decision(Action.SUPERSEDE, code, sentence)


_NEVER_LOST = frozenset({"result", "finish", "cancel"})
_PER_ROUND = frozenset({"start", "bet-stop", "result", "finish", "cancel"})
# broadcast is not here: nothing of it can be seen, so its unknown is final
_DECIDERS: Mapping[str, Callable[[Ours, TableView], Decision]] = {
    "start": _start,
    "bet-stop": _bet_stop,
    "result": _result,
    "finish": _finish,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "visibility": _visibility,
}
