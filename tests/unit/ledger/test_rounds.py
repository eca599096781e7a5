from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.commands import Kind
from ledger.domain.rounds import Last, Leg, Round, refusal

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def leg(state: str = "opened", last: str | None = "accepted", **fields: object) -> Leg:
    made = Leg(
        environment="CIT",
        game_code="ARO-001",
        served_by="ARO-001",
        required=False,
        state=state,
        external_round_id="r1",
        bet_period=15,
        bet_stop_at=NOW + 15 * SECOND,
        auto_bet_stop=True,
        opened_at=NOW,
        last=None if last is None else delivery(last),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def delivery(state: str, **fields: object) -> Last:
    made = Last("start", "01C", state, state, None, None, 1, 3.0, None)
    return replace(made, **fields)  # type: ignore[arg-type]


def round_of(*legs: Leg, state: str = "open") -> Round:
    return Round("01R", "ARO-001", "speed_roulette", state, None, NOW, "01C", legs)


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["accepted", "accepted"], "complete"),
        (["accepted", "superseded"], "complete"),
        (["accepted", "skipped"], "complete"),
        (["accepted", "rejected"], "partial"),
        (["accepted", "pending"], "partial"),
        (["accepted", "unknown"], "partial"),
        (["pending", "rejected"], "pending"),
        (["sending", "expired"], "pending"),
        (["unknown"], "pending"),
        (["rejected", "expired"], "failed"),
    ],
)
def test_the_outcome_of_a_command_over_its_legs(states: list[str], outcome: str) -> None:
    assert round_of(*(leg(last=state) for state in states)).outcome == outcome


def test_only_legs_the_last_command_was_meant_for_count() -> None:
    earlier = leg(last=None, state="failed")
    other = leg()
    assert other.last is not None
    before = replace(other, last=replace(other.last, command_id="01B", state="rejected"))
    made = round_of(earlier, before, leg())
    assert (made.outcome, made.settled, len(made.addressed)) == ("complete", True, 1)


@pytest.mark.parametrize("state", ["pending", "sending", "unknown"])
def test_a_round_is_not_settled_while_anything_is_under_way(state: str) -> None:
    assert not round_of(leg(), leg(last=state)).settled


def test_it_may_settle_soon_when_something_is_in_flight_or_due() -> None:
    horizon = NOW + SECOND
    assert round_of(leg(last="sending")).may_settle_by(horizon)
    soon = leg(last="pending")
    assert soon.last is not None
    assert round_of(replace(soon, last=replace(soon.last, next_attempt_at=NOW))).may_settle_by(
        horizon
    )
    later = replace(soon, last=replace(soon.last, next_attempt_at=NOW + 2 * SECOND))
    assert not round_of(later).may_settle_by(horizon)
    assert not round_of(leg(last="rejected")).may_settle_by(horizon)


def test_a_table_that_stops_its_own_bets_has_stopped_them_at_its_time() -> None:
    assert leg().state_at(NOW + 14 * SECOND) == "opened"
    assert leg().state_at(NOW + 15 * SECOND) == "bet_stopped"
    assert leg(auto_bet_stop=False).state_at(NOW + 60 * SECOND) == "opened"
    assert leg(bet_stop_at=None).state_at(NOW + 60 * SECOND) == "opened"


def test_a_round_is_bet_stopped_when_every_leg_that_takes_part_is() -> None:
    sits_out = leg("failed")
    assert round_of(leg("bet_stopped"), sits_out).state_at(NOW) == "bet_stopped"
    assert round_of(leg("bet_stopped"), leg()).state_at(NOW) == "open"
    assert round_of(leg("bet_stopped"), leg()).state_at(NOW + 15 * SECOND) == "bet_stopped"
    assert round_of(leg("pending"), leg("bet_stopped")).state_at(NOW) == "open"
    assert round_of(sits_out).state_at(NOW) == "open"
    assert round_of(leg("bet_stopped"), state="dealt").state_at(NOW) == "dealt"


def test_skew_is_between_the_first_and_the_last_start() -> None:
    legs = (leg(), leg(opened_at=NOW + timedelta(milliseconds=41)), leg(opened_at=None))
    assert round_of(*legs).skew_ms == 41.0
    assert round_of(leg(opened_at=None)).skew_ms is None


def test_callers_read_a_word_they_can_act_on() -> None:
    assert delivery("sending").shown == "pending"
    assert delivery("expired", outcome="not_sent").shown == "not_sent"
    assert delivery("pending", outcome="not_sent").shown == "pending"
    assert delivery("pending", outcome=None).shown == "pending"
    assert delivery("unknown").shown == "unknown"


@pytest.mark.parametrize(
    ("kind", "state", "refused"),
    [
        (Kind.BET_STOP, "open", False),
        (Kind.BET_STOP, "dealt", True),
        (Kind.RESULT, "open", False),
        (Kind.FINISH, "open", True),
        (Kind.FINISH, "dealt", False),
        (Kind.CANCEL, "open", False),
        (Kind.CANCEL, "dealt", False),
        (Kind.CANCEL, "finished", True),
        (Kind.RESULT, "cancelled", True),
    ],
)
def test_a_round_says_why_it_does_not_take_a_command(
    kind: Kind, state: str, *, refused: bool
) -> None:
    assert (refusal(kind, state) is not None) is refused
