from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.history import Event, replay
from ledger.domain.rounds import Round
from ledger.verify import chain, story
from ledger.verify.chain import Link

ROUND = "01JD0000000000000000000000"
NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
CIT: dict[str, object] = {"environment": "CIT", "game_code": "ARO-001"}


def event(second: float, type_: str, **data: object) -> Event:
    return Event(1, NOW + timedelta(seconds=second), type_, data, None, b"")


def settled(second: float, kind: str, state: str = "accepted", **data: object) -> Event:
    about = {"kind": kind, "command": f"c-{kind}", "state": state, "attempts": 1, **CIT, **data}
    return event(second, "delivery.settled", **about)


STOP = (NOW + timedelta(seconds=15)).isoformat()
EVENTS = [
    event(
        0,
        "round.started",
        command="c-start",
        actor="dealer-1",
        type="sicbo",
        legs=[{**CIT, "required": True}],
    ),
    event(
        0.5,
        "delivery.deferred",
        kind="start",
        command="c-start",
        state="pending",
        outcome="not_sent",
        attempts=1,
        next_attempt_at=(NOW + timedelta(seconds=1)).isoformat(),
        **CIT,
    ),
    settled(
        1,
        "start",
        external_round_id="r1",
        bet_period=15,
        bet_stop_at=STOP,
        auto_bet_stop=True,
        opened_at=(NOW + timedelta(seconds=1)).isoformat(),
        latency_ms=8.25,
    ),
    event(17, "round.result", command="c-result", actor="dealer-1", legs=[CIT], sicBo=[1, 2, 3]),
    settled(17.1, "bet-stop"),
    settled(18, "result"),
    event(19, "round.finished", command="c-finish", actor="dealer-1", legs=[CIT]),
    settled(20, "finish"),
]


def at(second: float) -> Round:
    found = replay(ROUND, "SIC-001", EVENTS, NOW + timedelta(seconds=second))
    assert found is not None
    return found


def last(second: float) -> tuple[str, str]:
    shown = at(second).legs[0].last
    assert shown is not None
    return shown.command, shown.state


def test_a_round_is_told_at_each_moment() -> None:
    assert replay(ROUND, "SIC-001", EVENTS, NOW - timedelta(seconds=1)) is None
    assert [(at(n).state, at(n).legs[0].state, last(n)) for n in (0, 0.7, 1, 17, 17.2, 18, 19)] == [
        ("open", "pending", ("start", "pending")),
        ("open", "pending", ("start", "pending")),
        ("open", "opened", ("start", "accepted")),
        ("dealt", "opened", ("result", "pending")),
        ("dealt", "bet_stopped", ("result", "pending")),
        ("dealt", "dealt", ("result", "accepted")),
        ("finished", "dealt", ("finish", "pending")),
    ]
    assert (at(0).result, at(17).result) == (None, {"sicBo": [1, 2, 3]})
    assert [at(n).outcome for n in (0, 1, 17, 18, 19, 20)] == [
        *("pending", "complete") * 3,
    ]
    assert at(20) == replay(ROUND, "SIC-001", EVENTS)


def test_a_leg_keeps_what_it_was_told() -> None:
    waiting, opened = at(0.7).legs[0], at(2).legs[0]
    assert waiting.last is not None
    assert waiting.last.next_attempt_at == NOW + timedelta(seconds=1)
    assert (opened.external_round_id, opened.bet_period, opened.required) == ("r1", 15, True)
    assert opened.state_at(NOW + timedelta(seconds=15)) == "bet_stopped"
    assert at(2).skew_ms == 0.0
    assert opened.last is not None
    assert opened.last.latency_ms == 8.25


def test_what_is_not_known_is_passed_over() -> None:
    strange = [event(2, "leg.painted", colour="red"), settled(3, "finish", game_code="other")]
    assert replay(ROUND, "SIC-001", [*EVENTS[:3], *strange]) == at(2)


@given(st.integers(0, len(EVENTS)))
def test_more_history_never_unsays_a_result(cut: int) -> None:
    found = replay(ROUND, "SIC-001", EVENTS[:cut])
    assert (found is None) is (cut == 0)
    if found is not None:
        assert (found.result is not None) is (cut > 3)


def links(count: int) -> list[Link]:
    made: list[Link] = []
    before = None
    for number in range(1, count + 1):
        link = Link(number, ROUND, "alert.raised", f"{number}.5", "{}", before, None)
        before = chain.digest(link, before)
        made.append(Link(number, ROUND, link.type, link.epoch, link.data, link.prev_hash, before))
    return made


def test_a_whole_chain_has_no_gap_and_no_break() -> None:
    assert list(chain.gaps(links(5))) == list(chain.breaks(links(5))) == []


@pytest.mark.parametrize("gone", range(4))
def test_a_missing_number_is_found(gone: int) -> None:
    left = [link for link in links(5) if link.number != gone + 1]
    assert [row["expected"] for row in chain.gaps(left)] == [gone + 1]
    assert [row["number"] for row in chain.breaks(left)] == [gone + 2]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"data": '{"x": 1}'}, [3]),
        ({"type": "alert.cleared"}, [3]),
        ({"epoch": "9"}, [3]),
        ({"hash": b"x" * 32}, [3, 4]),
        ({"prev_hash": None}, [3]),
    ],
)
def test_a_tampered_link_is_found(change: dict[str, object], where: list[int]) -> None:
    made = links(5)
    fields = {name: getattr(made[2], name) for name in Link.__slots__}
    made[2] = Link(**{**fields, **change})
    assert [row["number"] for row in chain.breaks(made)] == where


def test_rows_that_the_history_tells_otherwise_are_named() -> None:
    stands = at(20)
    assert list(story.differences(stands, EVENTS)) == []
    assert [row["what"] for row in story.differences(stands, EVENTS[:-1])] == [
        "CIT/ARO-001 state",
        "CIT/ARO-001 last",
    ]
    assert [row["what"] for row in story.differences(stands, [])] == [
        "there is no event of its start"
    ]
    [row] = story.differences(stands, [event(0, "round.started", actor="x")])
    assert "can't be read" in str(row["what"])
