from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.decisions import Action, Ours
from ledger.domain.reconcile import decide
from ledger.domain.tableview import TableView

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)


def action(
    kind: str, ours: Ours, *, paused: str | None = None, visibility: str | None = None
) -> Action:
    seen = TableView(
        game_code="ARO-001",
        round_id=None,
        status="unknown",
        bet_period=None,
        bet_stop_at=None,
        created_at=None,
        auto_bet_stop=None,
        paused=paused,
        maintenance=False,
        result=None,
        visibility=visibility,
    )
    return decide(kind, ours=ours, seen=seen, now=NOW, deadline=NOW + timedelta(seconds=1)).action


@pytest.mark.parametrize(
    ("reason", "paused", "expected"),
    [
        ("cleaning", "cleaning", Action.ACCEPT),
        (None, "anything", Action.ACCEPT),
        ("cleaning", "fire drill", Action.SEND),
        ("cleaning", None, Action.SEND),
        (None, None, Action.SEND),
    ],
)
def test_a_pause_is_compared_with_the_table(
    reason: str | None, paused: str | None, expected: Action
) -> None:
    assert action("pause", Ours(pause_reason=reason), paused=paused) is expected


@pytest.mark.parametrize(
    ("paused", "expected"), [(None, Action.ACCEPT), ("x", Action.SEND), ("", Action.SEND)]
)
def test_a_resume_is_compared_with_the_table(paused: str | None, expected: Action) -> None:
    assert action("resume", Ours(), paused=paused) is expected


@pytest.mark.parametrize(
    ("want", "has", "expected"),
    [
        ("visible", "visible", Action.ACCEPT),
        ("disabled", "visible", Action.SEND),
        ("visible", None, Action.SEND),
        (None, None, Action.SEND),
    ],
)
def test_visibility_is_compared_with_the_table(
    want: str | None, has: str | None, expected: Action
) -> None:
    assert action("visibility", Ours(visibility=want), visibility=has) is expected


def test_nothing_can_be_seen_of_a_broadcast() -> None:
    with pytest.raises(KeyError):
        action("broadcast", Ours())
