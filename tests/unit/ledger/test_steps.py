from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ledger.domain import steps
from ledger.domain.commands import ROUND_KINDS, Kind
from ledger.domain.deliveries import Attempt, Lease, Settlement
from ledger.domain.endings import WATCHED_FOR
from ledger.domain.outcomes import Cause, Outcome, Verdict
from ledger.domain.steps import Do, Reply
from ledger.domain.tableview import TableView

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
FITTING = {
    Kind.START: "pending",
    Kind.BET_STOP: "opened",
    Kind.RESULT: "bet_stopped",
    Kind.FINISH: "dealt",
    Kind.CANCEL: "opened",
}


def lease(kind: Kind = Kind.START, **fields: object) -> Lease:
    record: dict[str, object] = {
        "id": "01K",
        "token": "t",
        "lease_until": NOW + 4 * SECOND,
        "deadline_at": NOW + (3 * SECOND if kind is Kind.START else DAY),
        "command_id": "01C",
        "round_id": "01R",
        "table_id": "ARO-001",
        "environment": "CIT",
        "game_code": "ARO-001",
        "served_by": "ARO-001",
        "config_version": 1,
        "kind": kind,
        "body": {"roulette": "7"} if kind is Kind.RESULT else {},
        "leg_state": FITTING[kind],
        "required": False,
        "external_round_id": None if kind is Kind.START else "ours",
        "known_round_id": "before",
        "bet_stop": "auto",
        "timecode_offset_ms": 0,
        "backups": (),
        "look": False,
        "overtaken": False,
        "attempts": 0,
        "due_at": NOW,
        "first_sent_at": None,
        "written_at": NOW,
    }
    return Lease.from_record({**record, **fields})


def table(round_id: str | None = "ours", status: str = "opened", **fields: object) -> TableView:
    view = TableView(
        game_code="ARO-001",
        round_id=round_id,
        status=status,
        bet_period=15,
        bet_stop_at=NOW + 15 * SECOND,
        created_at=NOW,
        auto_bet_stop=False,
        paused=None,
        maintenance=False,
        result=None,
        visibility="visible",
    )
    return replace(view, **fields)  # type: ignore[arg-type]


def reply(verdict: Verdict, *, at: datetime = NOW) -> Reply:
    return Reply(verdict, (), at)


def saw(view: TableView, *, at: datetime = NOW) -> Reply:
    return reply(Verdict(Outcome.ACCEPTED, table=view), at=at)


def looked(
    held: Lease, view: TableView, *, at: datetime = NOW, refusal: Reply | None = None
) -> Do | Settlement:
    return steps.after_look(held, saw(view, at=at), refusal=refusal, random=Random(1))


def settlement(step: Do | Settlement) -> Settlement:
    assert isinstance(step, Settlement)
    return step


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_a_command_in_time_on_a_leg_that_fits_is_sent(kind: Kind) -> None:
    assert steps.first(lease(kind), NOW) is Do.SEND


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_what_may_have_arrived_is_looked_at_even_past_its_deadline(kind: Kind) -> None:
    held = lease(kind, look=True)
    assert steps.first(held, NOW) is Do.LOOK
    assert steps.first(held, NOW + 2 * DAY) is Do.LOOK


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_past_its_deadline_nothing_is_sent_and_what_must_not_be_lost_is_told(kind: Kind) -> None:
    held = lease(kind)
    over = settlement(steps.first(held, held.deadline_at))
    assert (over.state, over.code) == ("expired", "deadline")
    assert over.alert is (kind in (Kind.RESULT, Kind.FINISH, Kind.CANCEL))


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_what_a_cancel_overtook_is_superseded_and_the_cancel_is_not(kind: Kind) -> None:
    step = steps.first(lease(kind, overtaken=True), NOW)
    if kind is Kind.CANCEL:
        assert step is Do.SEND
    else:
        assert settlement(step).state == "superseded"


@pytest.mark.parametrize(
    ("kind", "leg_state"),
    [
        (Kind.START, "opened"),
        (Kind.BET_STOP, "pending"),
        (Kind.BET_STOP, "dealt"),
        (Kind.RESULT, "failed"),
        (Kind.RESULT, "dealt"),
        (Kind.FINISH, "opened"),
        (Kind.FINISH, "finished"),
        (Kind.CANCEL, "finished"),
        (Kind.CANCEL, "cancelled"),
    ],
)
def test_a_command_that_makes_no_sense_on_the_leg_is_superseded(kind: Kind, leg_state: str) -> None:
    over = settlement(steps.first(lease(kind, leg_state=leg_state), NOW))
    assert (over.state, over.code) == ("superseded", f"leg_{leg_state}")
    assert over.detail is not None


def test_an_accepted_start_tells_what_the_table_opened() -> None:
    step = settlement(steps.after_send(lease(), saw(table("new")), random=Random(1)))
    assert step.opened is not None
    assert (step.state, step.opened.external_round_id) == ("accepted", "new")
    assert step.opened.bet_stop_at == NOW + 15 * SECOND


def test_without_a_stop_time_the_period_counts_from_the_answer() -> None:
    view = table("new", bet_stop_at=None, bet_period=5)
    step = settlement(steps.after_send(lease(), saw(view), random=Random(1)))
    assert step.opened is not None
    assert step.opened.bet_stop_at == NOW + 5 * SECOND


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_an_answer_that_was_lost_is_looked_for_before_anything_is_sent(kind: Kind) -> None:
    lost = reply(Verdict(Outcome.UNKNOWN, cause=Cause.TIMEOUT, detail="No answer."))
    step = settlement(steps.after_send(lease(kind), lost, random=Random(1)))
    assert (step.state, step.look, step.cause) == ("unknown", True, Cause.TIMEOUT)
    assert step.due_at is not None
    assert step.due_at >= NOW


def test_a_start_that_was_not_sent_is_tried_again_only_within_its_deadline() -> None:
    refused = Verdict(Outcome.NOT_SENT, cause=Cause.REFUSED)
    again = settlement(steps.after_send(lease(), reply(refused), random=Random(1)))
    assert (again.state, again.look) == ("pending", False)
    late = reply(refused, at=NOW + 3 * SECOND)
    assert settlement(steps.after_send(lease(), late, random=Random(1))).state == "expired"
    # an earlier call may have arrived: it is not given up unseen
    over = settlement(steps.after_send(lease(look=True), late, random=Random(1)))
    assert (over.state, over.look) == ("unknown", True)


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_a_refusal_is_final_unless_an_earlier_call_may_have_arrived(kind: Kind) -> None:
    no = reply(Verdict(Outcome.REJECTED, code="13003", detail="No."))
    if kind is not Kind.RESULT:
        assert settlement(steps.after_send(lease(kind), no, random=Random(1))).state == "rejected"
    assert steps.after_send(lease(kind, look=True), no, random=Random(1)) is Do.LOOK


def test_a_refused_result_may_only_be_early() -> None:
    no = reply(Verdict(Outcome.REJECTED, code="13009", detail="Bets are open."))
    held = lease(Kind.RESULT)
    early = settlement(looked(held, table("ours", "opened"), refusal=no))
    assert (early.state, early.code, early.look) == ("pending", "bets_still_open", True)
    assert settlement(looked(held, table("ours", "bet-stopped"), refusal=no)).state == "rejected"


def test_a_refusal_stands_when_the_look_does_not_explain_it() -> None:
    no = reply(Verdict(Outcome.REJECTED, code="13003", detail="No."))
    held = lease(look=True, first_sent_at=NOW)
    stands = settlement(looked(held, table("before", "opened"), refusal=no))
    assert (stands.state, stands.code) == ("rejected", "13003")
    ours = settlement(looked(held, table("new"), refusal=no))
    assert ours.state == "accepted"


def test_a_start_found_at_the_table_is_adopted() -> None:
    found = settlement(looked(lease(look=True, first_sent_at=NOW), table("new")))
    assert found.opened is not None
    assert (found.state, found.opened.external_round_id) == ("accepted", "new")


def test_a_start_not_at_the_table_is_sent_again_while_there_is_time() -> None:
    held = lease(look=True, first_sent_at=NOW)
    assert looked(held, table("before", "finished")) is Do.SEND


def test_a_start_that_may_yet_arrive_is_watched_past_its_deadline_and_then_given_up() -> None:
    held, old = lease(look=True, first_sent_at=NOW), table("before", "finished")
    watched = settlement(looked(held, old, at=held.deadline_at + SECOND))
    assert (watched.state, watched.look) == ("unknown", True)
    over = settlement(looked(held, old, at=held.deadline_at + WATCHED_FOR))
    assert over.state == "expired"


@pytest.mark.parametrize("required", [True, False])
def test_a_start_that_opened_late_is_cancelled_or_told(*, required: bool) -> None:
    held = lease(look=True, first_sent_at=NOW, required=required)
    view = table("new", created_at=held.deadline_at + SECOND)
    late = settlement(looked(held, view, at=held.deadline_at + 2 * SECOND))
    assert (late.state, late.code) == ("expired", "late_start")
    assert (late.alert, late.cancel_late) == (required, not required)
    assert late.opened is not None


def test_a_start_that_opened_in_time_and_was_seen_late_is_accepted() -> None:
    held = lease(look=True, first_sent_at=NOW)
    seen = looked(held, table("new", created_at=NOW + SECOND), at=held.deadline_at + 5 * SECOND)
    assert settlement(seen).state == "accepted"


def test_a_result_is_judged_by_what_the_table_holds() -> None:
    held = lease(Kind.RESULT, look=True)
    same = settlement(looked(held, table(result={"roulette": "7"})))
    assert same.state == "accepted"
    other = settlement(looked(held, table(result={"roulette": "8"})))
    assert (other.state, other.code, other.alert) == ("rejected", "result_conflict", True)
    moved = settlement(looked(held, table("next")))
    assert (moved.state, moved.code, moved.alert) == ("rejected", "moved_on", True)
    assert looked(held, table(status="bet-stopped")) is Do.SEND


@pytest.mark.parametrize("kind", [Kind.BET_STOP, Kind.FINISH, Kind.CANCEL])
def test_a_command_without_a_round_id_is_never_sent_to_another_round(kind: Kind) -> None:
    step = settlement(looked(lease(kind, look=True), table("next")))
    assert step.state == ("superseded" if kind is Kind.BET_STOP else "rejected")


def test_a_cancel_that_finds_nothing_waits_for_a_late_start_and_no_longer() -> None:
    held = replace(
        lease(Kind.CANCEL, look=True, leg_state="pending", external_round_id=None),
        started_at=NOW - SECOND,
    )
    old = table("before", "finished")
    soon = settlement(looked(held, old, at=NOW + SECOND))
    assert (soon.state, soon.code) == ("unknown", "nothing_to_cancel")
    over = settlement(looked(held, old, at=NOW + WATCHED_FOR))
    assert (over.state, over.code) == ("superseded", "nothing_to_cancel")


def test_a_cancel_after_a_start_that_was_never_sent_waits_for_nothing() -> None:
    held = lease(Kind.CANCEL, look=True, leg_state="pending", external_round_id=None)
    step = settlement(looked(held, table("before", "finished"), at=NOW + SECOND))
    assert (step.state, step.code) == ("superseded", "nothing_to_cancel")


@pytest.mark.parametrize("kind", ROUND_KINDS)
def test_a_look_that_failed_is_repeated_and_decides_nothing(kind: Kind) -> None:
    lost = reply(Verdict(Outcome.UNKNOWN, cause=Cause.SERVER), at=NOW + DAY * 2)
    held = lease(kind, look=True)
    step = settlement(steps.after_look(held, lost, refusal=None, random=Random(1)))
    assert (step.state, step.look) == ("unknown", True)
    assert step.due_at is not None
    assert step.due_at > lost.at


def test_a_429_is_waited_for_as_long_as_it_asked() -> None:
    asked = Verdict(Outcome.NOT_SENT, cause=Cause.RATE_LIMITED, retry_after_s=7)
    step = settlement(steps.after_send(lease(Kind.RESULT), reply(asked), random=Random(1)))
    assert (step.state, step.due_at) == ("pending", NOW + 7 * SECOND)


def test_calls_are_put_down_and_only_those_that_change_something_count() -> None:
    made = [
        Attempt(NOW + n * SECOND, operation, "accepted", "none", 200, None, None, 1.0)
        for n, operation in enumerate(("sessions", "get", "start"))
    ]
    done = Settlement(lease(), "accepted", NOW)
    put = steps.with_attempts(done, made)
    assert (put.calls, put.first_sent_at) == (1, NOW + 2 * SECOND)
    earlier = replace(done, lease=lease(first_sent_at=NOW - SECOND))
    assert steps.with_attempts(earlier, made).first_sent_at == NOW - SECOND
    assert steps.with_attempts(done, made[:2]).first_sent_at is None
