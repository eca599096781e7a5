from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.decisions import Action, Decision, Ours
from ledger.domain.reconcile import decide
from ledger.domain.tableview import STATUSES, TableView

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
PAST, AHEAD = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
RESULT: Mapping[str, object] = {"roulette": "17"}


def decided(kind: str, ours: Ours, seen: TableView, deadline: datetime | None) -> Decision:
    return decide(kind, ours=ours, seen=seen, now=NOW, deadline=deadline)


ids = st.sampled_from([None, "r-6", "r-7", "r-8"])
results = st.sampled_from([None, {"roulette": "17"}, {"roulette": "18"}])
deadlines = st.sampled_from([None, PAST, NOW, AHEAD])
legs = st.builds(
    Ours,
    external_round_id=ids,
    last_known_round_id=ids,
    result=st.just(RESULT),
    saw_finish=st.booleans(),
    saw_cancel=st.booleans(),
    sent=st.booleans(),
    required=st.booleans(),
    sent_at=st.sampled_from([None, NOW - timedelta(hours=1), NOW]),
)
views = st.builds(
    TableView,
    game_code=st.just("ARO-001"),
    round_id=ids,
    status=st.sampled_from(sorted(STATUSES)),
    bet_period=st.just(15),
    bet_stop_at=st.none(),
    created_at=st.sampled_from([None, NOW - timedelta(hours=1), PAST, NOW]),
    auto_bet_stop=st.booleans(),
    paused=st.none(),
    maintenance=st.booleans(),
    result=results,
    visibility=st.none(),
)


@given(st.sampled_from(["bet-stop", "finish", "cancel"]), legs, views, deadlines)
def test_a_command_without_a_round_id_is_sent_only_at_our_own_round(
    kind: str, ours: Ours, seen: TableView, deadline: datetime | None
) -> None:
    decision = decided(kind, ours, seen, deadline)
    if decision.action is Action.SEND:
        if ours.external_round_id is None:
            assert kind == "cancel"
            assert seen.round_id not in (None, ours.last_known_round_id)
            assert decision.adopt_round_id == seen.round_id
        else:
            assert seen.round_id == ours.external_round_id
        assert deadline is None or deadline > NOW


@given(legs, views, deadlines)
def test_two_results_never_both_take_effect(
    ours: Ours, seen: TableView, deadline: datetime | None
) -> None:
    decision = decided("result", ours, seen, deadline)
    if decision.action is Action.SEND:
        assert seen.round_id is None or seen.result is None
    if decision.action is Action.ACCEPT:
        assert (seen.round_id, seen.result) == (ours.external_round_id, RESULT)


@given(legs, views, deadlines)
def test_a_required_leg_is_never_cancelled_by_itself(
    ours: Ours, seen: TableView, deadline: datetime | None
) -> None:
    decision = decided("start", ours, seen, deadline)
    if decision.action is Action.CANCEL_LATE:
        assert not ours.required
    if decision.action is Action.SEND:
        assert deadline is None or deadline > NOW
    if decision.adopt_round_id is not None:
        assert decision.adopt_round_id != ours.last_known_round_id
