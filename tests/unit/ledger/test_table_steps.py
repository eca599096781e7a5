from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ledger.domain import steps
from ledger.domain.commands import ROUND_KINDS, TABLE_KINDS, Kind
from ledger.domain.deliveries import Lease, Settlement
from ledger.domain.endings import WATCHED_FOR
from ledger.domain.holds import Hold, held
from ledger.domain.outcomes import Cause, Outcome, Verdict
from ledger.domain.rounds import Last
from ledger.domain.steps import Do, Reply
from ledger.domain.table_commands import TableCommand, TargetLeg
from ledger.domain.tableview import TableView

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DEADLINE = NOW + timedelta(seconds=30)
LOST = Verdict(Outcome.UNKNOWN, cause=Cause.TIMEOUT, detail="No answer.")
BODIES: dict[Kind, dict[str, object]] = {
    Kind.PAUSE: {"reason": "Shuffling"},
    Kind.VISIBILITY: {"visibility": "disabled"},
}


def lease(kind: Kind, *, look: bool = False, overtaken: bool = False) -> Lease:
    return Lease(
        id="D1",
        token="t",
        lease_until=NOW + timedelta(seconds=4),
        deadline_at=DEADLINE,
        command_id="C1",
        round_id="",
        table_id="ARO-001",
        environment="PRD",
        game_code="ARO-001",
        served_by="ARO-001",
        config_version=1,
        kind=kind,
        body=BODIES.get(kind, {}),
        leg_state="",
        required=True,
        external_round_id=None,
        known_round_id=None,
        bet_stop="driver",
        timecode_offset_ms=0,
        backups=(),
        look=look,
        overtaken=overtaken,
        attempts=1 if look else 0,
        due_at=NOW,
        first_sent_at=NOW if look else None,
        written_at=NOW,
    )


def view(*, paused: str | None = None, visibility: str = "visible") -> TableView:
    return TableView(
        game_code="ARO-001",
        round_id="ext-1",
        status="finished",
        bet_period=15,
        bet_stop_at=None,
        created_at=None,
        auto_bet_stop=False,
        paused=paused,
        maintenance=False,
        result=None,
        visibility=visibility,
    )


def look(
    kind: Kind, seen: TableView | None, at: datetime = NOW, verdict: Verdict | None = None
) -> Do | Settlement:
    shown = verdict or Verdict(Outcome.ACCEPTED, table=seen)
    return steps.after_look(
        lease(kind, look=True), Reply(shown, (), at), refusal=None, random=Random(1)
    )


def test_kinds_of_a_table_have_no_place_in_a_round() -> None:
    assert [kind.rank for kind in ROUND_KINDS] == [0, 1, 2, 3, 4]
    assert {kind.rank for kind in TABLE_KINDS} == {-1}
    assert {*ROUND_KINDS, *TABLE_KINDS} == set(Kind)


@pytest.mark.parametrize("kind", sorted(TABLE_KINDS))
def test_a_command_of_a_table_asks_for_no_leg(kind: Kind) -> None:
    assert steps.first(lease(kind), NOW) is Do.SEND
    late = steps.first(lease(kind), DEADLINE)
    assert isinstance(late, Settlement)
    assert (late.state, late.code, late.alert) == ("expired", "deadline", False)
    over = steps.first(lease(kind, overtaken=True), NOW)
    assert isinstance(over, Settlement)
    assert (over.state, over.code) == ("superseded", "overtaken")


@pytest.mark.parametrize("kind", sorted(TABLE_KINDS - {Kind.BROADCAST}))
def test_a_lost_answer_is_looked_after(kind: Kind) -> None:
    lost = steps.after_send(lease(kind), Reply(LOST, (), NOW), random=Random(1))
    assert isinstance(lost, Settlement)
    assert (lost.state, lost.look) == ("unknown", True)
    assert steps.first(lease(kind, look=True), NOW) is Do.LOOK


@pytest.mark.parametrize(
    ("kind", "done", "undone"),
    [
        (Kind.PAUSE, view(paused="Shuffling"), view()),
        (Kind.RESUME, view(), view(paused="Shuffling")),
        (Kind.VISIBILITY, view(visibility="disabled"), view()),
    ],
)
def test_what_the_table_shows_decides(kind: Kind, done: TableView, undone: TableView) -> None:
    found = look(kind, done)
    assert isinstance(found, Settlement)
    assert found.state == "accepted"
    assert look(kind, undone) is Do.SEND
    late = look(kind, undone, DEADLINE + WATCHED_FOR)
    assert isinstance(late, Settlement)
    assert (late.state, late.outcome) == ("expired", "expired")


def test_what_can_not_be_seen_is_given_up_in_the_end() -> None:
    soon = look(Kind.PAUSE, None, NOW, LOST)
    late = look(Kind.PAUSE, None, DEADLINE + WATCHED_FOR, LOST)
    assert isinstance(soon, Settlement)
    assert isinstance(late, Settlement)
    assert (soon.state, late.state, late.outcome) == ("unknown", "expired", "unknown")
    hold = Hold(Cause.BREAKER, DEADLINE + 2 * WATCHED_FOR, "Not answering.")
    asked = lease(Kind.PAUSE, look=True)
    assert held(asked, hold, now=NOW, sent=False).state == "unknown"
    assert held(asked, hold, now=DEADLINE + WATCHED_FOR, sent=False).state == "expired"


def test_a_broadcast_is_never_looked_after_nor_repeated() -> None:
    lost = steps.after_send(lease(Kind.BROADCAST), Reply(LOST, (), NOW), random=Random(1))
    again = steps.first(lease(Kind.BROADCAST, look=True), NOW)
    for found in (lost, again):
        assert isinstance(found, Settlement)
        assert (found.state, found.outcome, found.look) == ("expired", "unknown", False)
    refused = replace(LOST, outcome=Outcome.NOT_SENT, cause=Cause.REFUSED)
    kept = steps.after_send(lease(Kind.BROADCAST), Reply(refused, (), NOW), random=Random(1))
    assert isinstance(kept, Settlement)
    assert kept.state == "pending"


def test_what_is_final_without_being_known_is_shown_so() -> None:
    last = Last("broadcast", "C1", "expired", "unknown", None, None, 1, None, None)
    assert last.shown == "unknown"


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (("accepted", "accepted"), "complete"),
        (("accepted", "rejected"), "partial"),
        (("accepted", "pending"), "partial"),
        (("pending", "rejected"), "pending"),
        (("superseded", "expired"), "failed"),
    ],
)
def test_a_command_is_as_good_as_its_targets(states: tuple[str, ...], outcome: str) -> None:
    lasts = [Last("pause", "C1", state, state, None, None, 1, None, NOW) for state in states]
    legs = tuple(
        TargetLeg("PRD", f"ARO-00{n}", required=True, last=last) for n, last in enumerate(lasts)
    )
    command = TableCommand("C1", "ARO-001", Kind.PAUSE, legs)
    assert command.outcome == outcome
    assert command.settled == ("pending" not in states)
    assert command.may_settle_by(NOW) == ("pending" in states)
