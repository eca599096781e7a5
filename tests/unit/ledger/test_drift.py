from dataclasses import replace

import pytest

from ledger.domain.drift import Known, Place, compare
from ledger.domain.tableview import TableView

LEG = "POST /v1/rounds/R2/legs/PRD/ARO-001/"
SEVEN, NINE = {"roulette": "7"}, {"roulette": "9"}

SHOWN = TableView(
    game_code="ARO-001",
    round_id="ext-2",
    status="opened",
    bet_period=15,
    bet_stop_at=None,
    created_at=None,
    auto_bet_stop=False,
    paused=None,
    maintenance=False,
    result=None,
    visibility="visible",
)
OPEN = Known(
    round="R2",
    round_state="open",
    result=None,
    served_by="ARO-001",
    leg_state="opened",
    external_round_id="ext-2",
    known_round_id="ext-1",
    command="start",
    state="accepted",
)
DEALT = replace(
    OPEN, round_state="dealt", result=SEVEN, leg_state="dealt", command="result", state="accepted"
)
UNDEALT = replace(DEALT, leg_state="bet_stopped", state="rejected")
FINISHED = replace(DEALT, round_state="finished", leg_state="finished", command="finish")
UNFINISHED = replace(FINISHED, leg_state="dealt", state="expired")
FAILED = replace(OPEN, leg_state="failed", external_round_id=None, state="rejected")
EARLIER = replace(FINISHED, round="R1", external_round_id="ext-1")


def place(*rounds: Known, paused: str | None = None) -> Place:
    return Place("ARO-001", "PRD", "ARO-001", rounds, paused)


def shown(status: str, *, result: object = None, round_id: str | None = "ext-2") -> TableView:
    given = result if isinstance(result, dict) else None
    return replace(SHOWN, status=status, result=given, round_id=round_id)


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        (OPEN, shown("opened")),
        (OPEN, shown("bet-stopped")),
        (DEALT, shown("bet-stopped", result=SEVEN)),
        (FINISHED, shown("finished", result=SEVEN)),
        (FINISHED, shown("finished", round_id="ext-3")),
        (FAILED, shown("finished", round_id="ext-1")),
        (replace(OPEN, round_state="cancelled", leg_state="cancelled"), shown("cancelled")),
    ],
)
def test_what_agrees_is_no_drift(known: Known, seen: TableView) -> None:
    found = compare(place(known), seen)
    assert (found.drift, found.repair) == (None, None)


def test_what_is_under_way_is_left_to_the_ledger() -> None:
    for state in ("pending", "sending", "unknown"):
        found = compare(place(replace(UNDEALT, state=state)), shown("opened"))
        assert found.drift is None
        assert "under way" in found.sentence


def test_a_target_that_is_not_seen_is_not_judged() -> None:
    found = compare(place(OPEN), None, "No replica of PRD answered.")
    assert (found.drift, found.repair) == ("not_seen", None)
    assert "No replica of PRD answered." in found.sentence


@pytest.mark.parametrize(
    ("known", "seen", "drift", "repair"),
    [
        (UNDEALT, shown("bet-stopped"), "result_missing", LEG + "retry"),
        (DEALT, shown("bet-stopped"), "result_missing", None),
        (UNFINISHED, shown("bet-stopped", result=SEVEN), "not_finished", LEG + "retry"),
        (UNFINISHED, shown("finished", result=SEVEN), "finished_elsewhere", LEG + "retry"),
        (DEALT, shown("finished", result=SEVEN), "finished_elsewhere", "POST /v1/rounds/R2/finish"),
        (OPEN, shown("cancelled"), "cancelled_elsewhere", LEG + "cancel"),
        (DEALT, shown("bet-stopped", result=NINE), "other_result", LEG + "cancel"),
        (FINISHED, shown("finished", result=NINE), "other_result", None),
        (
            OPEN,
            shown("bet-stopped", result=NINE),
            "result_elsewhere",
            'POST /v1/rounds/R2/result {"roulette":"9"}',
        ),
        (OPEN, shown("opened", round_id="ext-3"), "moved_on", None),
        (UNDEALT, shown("opened", round_id="ext-3"), "moved_on", LEG + "skip"),
        (OPEN, shown("unknown", round_id=None), "no_round_shown", None),
        (FINISHED, shown("opened"), "still_open", None),
        (FINISHED, shown("opened", round_id="ext-3"), "foreign_round", None),
        (FAILED, shown("opened", round_id="ext-1"), "previous_open", None),
        (FAILED, shown("opened"), "started_unseen", LEG + "cancel"),
        (
            replace(OPEN, round_state="cancelled", command="cancel", state="rejected"),
            shown("opened"),
            "not_cancelled",
            LEG + "retry",
        ),
        (
            replace(OPEN, command="bet-stop", state="rejected"),
            shown("opened"),
            "bets_open",
            LEG + "retry",
        ),
        (replace(OPEN, leg_state="bet_stopped"), shown("opened"), "bets_open", None),
    ],
)
def test_what_differs_is_named_with_its_smallest_repair(
    known: Known, seen: TableView, drift: str, repair: str | None
) -> None:
    found = compare(place(known), seen)
    assert (found.drift, found.repair) == (drift, repair), found.sentence


def test_a_round_nobody_here_opened_is_foreign() -> None:
    assert compare(place(), shown("opened")).drift == "foreign_round"
    assert compare(place(), shown("finished")).drift is None


@pytest.mark.parametrize(
    ("earlier", "repair"),
    [
        (replace(EARLIER, leg_state="dealt", state="rejected"), "legs/PRD/ARO-001/retry"),
        (replace(EARLIER, leg_state="failed", state="expired"), "legs/PRD/ARO-001/cancel"),
        (replace(DEALT, round="R1", external_round_id="ext-1"), "finish"),
        (replace(OPEN, round="R1", external_round_id="ext-1"), "cancel"),
    ],
)
def test_an_earlier_round_of_ours_is_what_to_end(earlier: Known, repair: str) -> None:
    found = compare(place(FAILED, earlier), shown("opened", round_id="ext-1"))
    assert (found.drift, found.repair) == ("previous_open", f"POST /v1/rounds/R1/{repair}")


def test_a_pause_is_compared_where_the_rounds_agree() -> None:
    seen = replace(shown("finished"), paused="Camera")
    found = compare(place(FINISHED), seen)
    assert found.drift == "paused_elsewhere"
    assert found.repair == 'POST /v1/tables/ARO-001/resume {"environments":["PRD"]}'
    assert compare(place(FINISHED, paused="Camera"), seen).drift is None
    gone = compare(place(FINISHED, paused="Camera"), shown("finished"))
    assert gone.drift == "resumed_elsewhere"
    assert gone.repair is not None
    assert gone.repair.endswith('/pause {"reason":"Camera","environments":["PRD"]}')
    assert compare(place(UNDEALT), replace(seen, status="opened")).drift == "result_missing"


def test_a_round_at_a_backup_is_looked_at_there_until_it_is_over() -> None:
    away = replace(OPEN, served_by="ARO-001-B")
    assert place(away).served_by == "ARO-001-B"
    assert compare(place(away), replace(SHOWN, paused="Camera")).drift is None
    assert place(replace(away, round_state="finished")).served_by == "ARO-001"
