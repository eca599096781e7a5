from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import tableview
from ledger.domain.tableview import TableView, moment

WHOLE: dict[str, object] = {
    "gameCode": "ARO-001",
    "gameType": "auto-roulette",
    "name": "Speed roulette 1",
    "visibility": "visible",
    "betPeriod": 15,
    "autoBetStop": True,
    "pause": {"reason": "cleaning", "createdBy": "pit", "createdAt": "2026-11-21T08:00:00Z"},
    "maintenance": {"enabled": True},
    "streams": {"a": 1},
    "tableRound": {
        "roundId": "ARO-001-7",
        "status": "bet-stopped",
        "createdAt": "2026-11-21T09:00:00.000Z",
        "betStopTime": "2026-11-21T09:00:15.000Z",
        "result": {"roulette": "17", "sicBo": None, "baccarat": []},
        "somethingNew": {},
    },
}

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def test_a_whole_table_is_read() -> None:
    assert tableview.parse(WHOLE) == TableView(
        game_code="ARO-001",
        round_id="ARO-001-7",
        status="bet-stopped",
        bet_period=15,
        bet_stop_at=datetime(2026, 11, 21, 9, 0, 15, tzinfo=UTC),
        created_at=datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC),
        auto_bet_stop=True,
        paused="cleaning",
        maintenance=True,
        result={"roulette": "17"},
        visibility="visible",
    )


@pytest.mark.parametrize("obj", [None, [], "table", 7, {}, {"somethingNew": 1}])
def test_what_is_no_table_is_none(obj: object) -> None:
    assert tableview.parse(obj) is None


@pytest.mark.parametrize(
    "status", ["opened", "bet-stopped", "bet-txn-stopped", "finished", "cancelled", "unknown"]
)
def test_each_round_status_is_known(status: str) -> None:
    view = tableview.parse({"tableRound": {"roundId": "r", "status": status}})
    assert view is not None
    assert view.status == status


@pytest.mark.parametrize("status", [None, "paused", 3, ["opened"], "OPENED"])
def test_any_other_status_is_unknown(status: object) -> None:
    view = tableview.parse({"tableRound": {"roundId": "r", "status": status}})
    assert view is not None
    assert view.status == "unknown"


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("betPeriod", "15", "bet_period"),
        ("betPeriod", True, "bet_period"),
        ("betPeriod", 0, "bet_period"),
        ("betPeriod", 15.5, "bet_period"),
        ("autoBetStop", "true", "auto_bet_stop"),
        ("visibility", 1, "visibility"),
        ("tableRound", [], "round_id"),
        ("tableRound", {"roundId": 12}, "round_id"),
        ("pause", None, "paused"),
        ("pause", {}, "paused"),
        ("pause", {"reason": "", "createdBy": None}, "paused"),
        ("pause", "cleaning", "paused"),
    ],
)
def test_a_wrong_type_is_no_answer(field: str, value: object, name: str) -> None:
    view = tableview.parse({**WHOLE, field: value})
    assert view is not None
    assert getattr(view, name) is None


def test_a_pause_without_a_reason_is_still_a_pause() -> None:
    view = tableview.parse({**WHOLE, "pause": {"createdBy": "pit"}})
    assert view is not None
    assert view.paused == ""


@pytest.mark.parametrize(
    ("value", "on"),
    [
        (None, False),
        ({}, False),
        (True, True),
        (False, False),
        ({"enabled": False}, False),
        ({"enabled": True}, True),
        ({"reason": "upgrade"}, True),
        ({"reason": ""}, False),
    ],
)
def test_maintenance_is_read_from_what_is_said_of_it(value: object, on: bool) -> None:
    view = tableview.parse({**WHOLE, "maintenance": value})
    assert view is not None
    assert view.maintenance is on


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"roulette": "0"}, {"roulette": "0"}),
        ({"roulette": 0}, {"roulette": "0"}),
        ({"sicBo": [1, 2, 3]}, {"sicBo": [1, 2, 3]}),
        ({"baccarat": ["D2", "", "HK", "", "", ""]}, {"baccarat": ["D2", "", "HK", "", "", ""]}),
        ({"roulette": ""}, None),
        ({"sicBo": [0, 0, 0]}, None),
        ({"baccarat": ["", "", "", "", "", ""]}, None),
        ({"roulette": None, "sicBo": [], "baccarat": None}, None),
        (None, None),
        ("17", None),
    ],
)
def test_a_result_is_kept_by_game_and_an_empty_one_is_none(said: object, kept: object) -> None:
    view = tableview.parse({"tableRound": {"roundId": "r", "result": said}})
    assert view is not None
    assert view.result == kept


AT = datetime(2026, 11, 21, 9, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-11-21T09:00:15Z", AT),
        ("2026-11-21T09:00:15.5Z", AT + timedelta(milliseconds=500)),
        ("2026-11-21T09:00:15.123456789Z", AT + timedelta(microseconds=123456)),
        ("2026-11-21T17:00:15.000+08:00", AT),
        ("2026-11-21t09:00:15z", AT),
        ("2026-11-21 09:00:15Z", AT),
        (1795251615000, AT),
        ("1795251615000", AT),
        ("2026-11-21T09:00:15", None),
        ("2026-11-21", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-13-21T09:00:15Z", None),
        ("9" * 400, None),
        (1795251615, None),
        (1795251615000.0, None),
        (True, None),
        (0, None),
        (-1, None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_read_with_its_offset_or_not_at_all(said: object, read: datetime | None) -> None:
    assert moment(said) == read


@given(st.dictionaries(st.sampled_from(sorted(WHOLE)), junk), junk)
def test_nothing_said_of_a_table_breaks_it(obj: dict[str, object], turn: object) -> None:
    tableview.parse(obj)
    tableview.parse({"tableRound": turn})
    tableview.parse({"tableRound": dict.fromkeys(("roundId", "status", "createdAt"), turn)})
