from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.decisions import Action, Decision, Ours
from ledger.domain.outcomes import Outcome, Verdict
from ledger.domain.reconcile import decide, doubtful
from ledger.domain.tableview import TableView

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
AHEAD, PAST = NOW + SECOND, NOW - SECOND
STATUSES = ["opened", "bet-stopped", "bet-txn-stopped", "finished", "cancelled", "unknown"]
RESULT: Mapping[str, object] = {"roulette": "17"}
OLD, MINE, NEXT = "r-6", "r-7", "r-8"
LEG = Ours(external_round_id=MINE, last_known_round_id=OLD, result=RESULT, sent=True)
STARTING = Ours(last_known_round_id=OLD, sent=True)


def view(
    round_id: str | None = MINE,
    status: str = "opened",
    *,
    result: Mapping[str, object] | None = None,
    created_at: datetime | None = None,
) -> TableView:
    return TableView(
        game_code="ARO-001",
        round_id=round_id,
        status=status,
        bet_period=15,
        bet_stop_at=NOW + 15 * SECOND,
        created_at=created_at,
        auto_bet_stop=True,
        paused=None,
        maintenance=False,
        result=result,
        visibility="visible",
    )


def decided(kind: str, ours: Ours, seen: TableView, deadline: datetime | None = AHEAD) -> Decision:
    return decide(kind, ours=ours, seen=seen, now=NOW, deadline=deadline)


# start


@pytest.mark.parametrize("status", ["opened", "bet-stopped", "bet-txn-stopped", "unknown"])
@pytest.mark.parametrize("last_known", [OLD, None])
def test_a_new_open_round_is_ours_and_adopted(status: str, last_known: str | None) -> None:
    decision = decided(
        "start", Ours(last_known_round_id=last_known, sent=True), view(status=status)
    )
    assert (decision.action, decision.outcome) == (Action.ACCEPT, Outcome.ACCEPTED)
    assert decision.adopt_round_id == MINE
    assert (decision.bet_period, decision.bet_stop_at) == (15, NOW + 15 * SECOND)
    assert decision.auto_bet_stop is True


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("round_id", [OLD, None])
def test_a_start_the_table_does_not_show_is_sent_again_while_there_is_time(
    status: str, round_id: str | None
) -> None:
    decision = decided("start", STARTING, view(round_id, status))
    assert (decision.action, decision.outcome) == (Action.SEND, Outcome.PENDING)
    assert decision.adopt_round_id is None


@pytest.mark.parametrize("sent", [True, False])
def test_a_start_the_table_does_not_show_expires_and_is_watched_if_it_went_out(
    sent: bool,
) -> None:
    ours = Ours(last_known_round_id=OLD, sent=sent)
    for deadline in (PAST, NOW):
        decision = decided("start", ours, view(OLD), deadline)
        assert (decision.action, decision.outcome) == (Action.EXPIRE, Outcome.EXPIRED)
        assert decision.watch is sent


@pytest.mark.parametrize("created_at", [None, PAST + 0.1 * SECOND, NOW])
def test_a_late_start_is_cancelled_on_a_best_effort_leg(created_at: datetime | None) -> None:
    decision = decided("start", STARTING, view(created_at=created_at), PAST)
    assert (decision.action, decision.outcome) == (Action.CANCEL_LATE, Outcome.EXPIRED)
    assert (decision.code, decision.adopt_round_id) == ("late_start", MINE)


@pytest.mark.parametrize("created_at", [None, PAST + 0.1 * SECOND, NOW])
def test_a_late_start_is_alerted_on_a_required_leg(created_at: datetime | None) -> None:
    ours = Ours(last_known_round_id=OLD, sent=True, required=True)
    decision = decided("start", ours, view(created_at=created_at), PAST)
    assert (decision.action, decision.outcome) == (Action.ALERT, Outcome.EXPIRED)
    assert (decision.code, decision.alert, decision.adopt_round_id) == ("late_start", True, MINE)


@pytest.mark.parametrize("required", [True, False])
def test_a_round_that_opened_in_time_is_adopted_however_late_the_look(required: bool) -> None:
    ours = Ours(last_known_round_id=OLD, sent=True, required=required)
    decision = decided("start", ours, view(created_at=PAST), PAST)
    assert (decision.action, decision.adopt_round_id) == (Action.ACCEPT, MINE)


@pytest.mark.parametrize("status", ["finished", "cancelled"])
def test_a_new_round_that_is_over_already_is_for_people(status: str) -> None:
    for deadline in (AHEAD, PAST):
        decision = decided("start", STARTING, view(status=status), deadline)
        assert (decision.action, decision.alert) == (Action.REJECT, True)


def test_a_forgotten_round_from_before_the_start_is_not_adopted() -> None:
    ours = Ours(sent=True, sent_at=NOW)
    forgotten = view(created_at=NOW - timedelta(hours=2))
    assert decided("start", ours, forgotten).action is Action.SEND
    skewed = view(created_at=NOW - 5 * SECOND)
    assert decided("start", ours, skewed).action is Action.ACCEPT


# bet-stop


@pytest.mark.parametrize("status", ["bet-stopped", "bet-txn-stopped", "finished", "cancelled"])
def test_bets_that_are_stopped_already_are_accepted(status: str) -> None:
    assert decided("bet-stop", LEG, view(status=status), None).action is Action.ACCEPT


@pytest.mark.parametrize("status", ["opened", "unknown"])
def test_open_bets_of_our_round_are_stopped(status: str) -> None:
    assert decided("bet-stop", LEG, view(status=status), None).action is Action.SEND


@pytest.mark.parametrize("status", STATUSES)
def test_a_bet_stop_never_hits_another_round(status: str) -> None:
    decision = decided("bet-stop", LEG, view(NEXT, status))
    assert (decision.action, decision.code) == (Action.SUPERSEDE, "moved_on")
    assert not decision.alert


# result


@pytest.mark.parametrize("status", STATUSES)
def test_a_result_that_is_there_is_accepted(status: str) -> None:
    decision = decided("result", LEG, view(status=status, result={"roulette": "17"}))
    assert decision.action is Action.ACCEPT


@pytest.mark.parametrize("other", [{"roulette": "18"}, {"sicBo": [1, 2, 3]}])
@pytest.mark.parametrize("deadline", [AHEAD, PAST])
def test_another_result_is_a_conflict_and_alerts(
    other: Mapping[str, object], deadline: datetime
) -> None:
    decision = decided("result", LEG, view(status="bet-stopped", result=other), deadline)
    assert (decision.action, decision.code, decision.alert) == (
        Action.REJECT,
        "result_conflict",
        True,
    )


def test_a_result_waits_while_the_table_takes_bets() -> None:
    assert decided("result", LEG, view(status="opened")).action is Action.WAIT


@pytest.mark.parametrize("status", ["bet-stopped", "bet-txn-stopped", "unknown"])
def test_a_result_that_is_not_there_is_sent_again(status: str) -> None:
    assert decided("result", LEG, view(status=status)).action is Action.SEND


def test_a_result_may_go_to_a_table_that_shows_no_round_for_it_names_its_own() -> None:
    assert decided("result", LEG, view(None)).action is Action.SEND


def test_no_result_follows_a_cancel() -> None:
    decision = decided("result", LEG, view(status="cancelled"))
    assert (decision.action, decision.code, decision.alert) == (
        Action.REJECT,
        "round_cancelled",
        True,
    )


@pytest.mark.parametrize("result", [None, {"roulette": "17"}, {"roulette": "3"}])
def test_a_result_of_a_round_the_table_left_is_rejected_and_alerts(
    result: Mapping[str, object] | None,
) -> None:
    decision = decided("result", LEG, view(NEXT, result=result))
    assert (decision.action, decision.code, decision.alert) == (Action.REJECT, "moved_on", True)


# finish and cancel

ENDS = [("finish", "finished", "cancelled"), ("cancel", "cancelled", "finished")]


@pytest.mark.parametrize(("kind", "done", "other"), ENDS)
def test_an_end_that_is_there_is_accepted(kind: str, done: str, other: str) -> None:
    assert decided(kind, LEG, view(status=done)).action is Action.ACCEPT
    decision = decided(kind, LEG, view(status=other))
    assert (decision.action, decision.code, decision.alert) == (
        Action.REJECT,
        f"round_{other}",
        True,
    )


@pytest.mark.parametrize("kind", ["finish", "cancel"])
@pytest.mark.parametrize("status", ["opened", "bet-stopped", "bet-txn-stopped", "unknown"])
def test_our_round_that_goes_on_is_ended(kind: str, status: str) -> None:
    assert decided(kind, LEG, view(status=status)).action is Action.SEND


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("kind", "saw_finish", "saw_cancel", "action"),
    [
        ("finish", True, False, Action.ACCEPT),
        ("finish", False, False, Action.REJECT),
        ("cancel", False, True, Action.ACCEPT),
        ("cancel", False, False, Action.REJECT),
        ("cancel", True, False, Action.REJECT),
    ],
)
def test_a_table_that_moved_on_is_never_ended_for_the_round_before(
    kind: str, saw_finish: bool, saw_cancel: bool, action: Action, status: str
) -> None:
    ours = Ours(external_round_id=MINE, saw_finish=saw_finish, saw_cancel=saw_cancel, sent=True)
    decision = decided(kind, ours, view(NEXT, status))
    assert (decision.action, decision.alert) == (action, action is Action.REJECT)


@pytest.mark.parametrize("kind", ["finish", "cancel", "bet-stop"])
def test_a_table_that_shows_no_round_is_looked_at_again(kind: str) -> None:
    decision = decided(kind, LEG, view(None))
    assert (decision.action, decision.outcome) == (Action.WAIT, Outcome.UNKNOWN)


@pytest.mark.parametrize("kind", ["finish", "cancel"])
def test_having_seen_the_end_explains_a_table_that_moved_on_and_nothing_else(kind: str) -> None:
    ours = Ours(external_round_id=MINE, saw_finish=True, saw_cancel=True)
    assert decided(kind, ours, view(None)).action is Action.WAIT
    assert decided(kind, ours, view(NEXT)).action is Action.ACCEPT


@pytest.mark.parametrize("kind", ["bet-stop", "result", "finish"])
def test_nothing_is_sent_to_a_leg_that_never_opened(kind: str) -> None:
    assert decided(kind, STARTING, view()).action is Action.SUPERSEDE


def test_a_cancel_that_overtook_an_unknown_start_takes_the_round_it_opened() -> None:
    decision = decided("cancel", STARTING, view())
    assert (decision.action, decision.adopt_round_id) == (Action.SEND, MINE)
    decision = decided("cancel", STARTING, view(status="cancelled"))
    assert (decision.action, decision.adopt_round_id) == (Action.ACCEPT, MINE)


@pytest.mark.parametrize("seen", [view(OLD), view(None), view(status="finished")])
def test_a_cancel_finds_nothing_to_cancel_where_nothing_started(seen: TableView) -> None:
    decision = decided("cancel", STARTING, seen)
    assert (decision.action, decision.watch) == (Action.SUPERSEDE, True)


def test_a_cancel_never_guesses_whose_round_it_is() -> None:
    decision = decided("cancel", Ours(sent=True), view())
    assert (decision.action, decision.alert) == (Action.REJECT, True)
    known = decided("cancel", Ours(sent=True, sent_at=NOW), view(created_at=NOW))
    assert (known.action, known.adopt_round_id) == (Action.SEND, MINE)


# deadlines, and refusals in doubt


@pytest.mark.parametrize(
    ("kind", "alert"),
    [("result", True), ("finish", True), ("cancel", True), ("bet-stop", False), ("pause", False)],
)
@pytest.mark.parametrize("round_id", [MINE, None])
def test_what_was_still_to_be_sent_at_its_deadline_expires(
    kind: str, round_id: str | None, alert: bool
) -> None:
    decision = decided(kind, LEG, view(round_id), PAST)
    assert (decision.action, decision.alert, decision.watch) == (Action.EXPIRE, alert, True)


@pytest.mark.parametrize(
    ("kind", "outcome", "sent", "doubt"),
    [
        ("start", Outcome.REJECTED, True, True),
        ("finish", Outcome.REJECTED, True, True),
        ("start", Outcome.REJECTED, False, False),
        ("start", Outcome.ACCEPTED, True, False),
        ("pause", Outcome.REJECTED, True, False),
    ],
)
def test_a_refusal_after_a_lost_answer_is_looked_into(
    kind: str, outcome: Outcome, sent: bool, doubt: bool
) -> None:
    assert doubtful(kind, Verdict(outcome, code="13003"), sent=sent) is doubt
