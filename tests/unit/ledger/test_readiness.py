from datetime import UTC, datetime, timedelta

from ledger.domain.config import Environment, Mirror, Target
from ledger.domain.outcomes import ROUND_OPEN_SENTENCE
from ledger.domain.readiness import Switch, Trouble, light

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(seconds=5), NOW + timedelta(seconds=5)
CODE = "ARO-001"


def mirror(environment: str) -> Mirror:
    document = Environment(
        environment=environment,
        base_url="http://table-api.cit.example/v2/service",
        primary=environment == "PRD",
        tables=(),
    )
    target = Target(id=CODE, type="speed_roulette")
    return Mirror(environment=document, version=1, target=target)


TARGETS = [mirror("PRD"), mirror("CIT")]


def refused(environment: str, code: str | None, detail: str | None = None) -> Trouble:
    return Trouble(environment, CODE, "start", "rejected", code, detail, at=NOW)


def switch(environment: str, kind: str, at: datetime, opened_at: datetime | None = None) -> Switch:
    return Switch(environment, CODE, kind, "Shuffling" if kind == "pause" else None, at, opened_at)


def test_nothing_wrong_is_go() -> None:
    assert light(TARGETS, []).light == "go"


def test_a_required_target_holds_and_a_best_effort_one_is_gone_without() -> None:
    assert light(TARGETS, [refused("PRD", "http_404")]).light == "hold"
    without = light(TARGETS, [refused("CIT", "http_404")])
    assert (without.light, without.without) == ("go_without", ("CIT/ARO-001",))


def test_what_is_no_target_any_more_is_no_reason() -> None:
    assert light(TARGETS, [refused("STG", "http_404")]).light == "go"
    assert light(TARGETS, [], [switch("STG", "pause", NOW)], {("STG", CODE)}).light == "go"


def test_a_pause_says_its_reason_and_offers_resume() -> None:
    found = light(TARGETS, [], [switch("PRD", "pause", NOW)])
    assert found.light == "hold"
    assert found.why == ("PRD ARO-001: The table is paused: Shuffling. Resume it to go on.",)


def test_a_pause_is_over_with_a_resume_or_a_start_that_was_taken() -> None:
    assert light(TARGETS, [], [switch("PRD", "resume", NOW)]).light == "go"
    assert light(TARGETS, [], [switch("PRD", "pause", NOW, AFTER)]).light == "go"
    assert light(TARGETS, [], [switch("PRD", "pause", NOW, BEFORE)]).light == "hold"


def test_a_start_refused_for_a_pause_counts_until_a_later_resume() -> None:
    met = refused("CIT", "13007", "The table is paused: Shuffling. Resume it to go on.")
    assert light(TARGETS, [met]).why == (f"CIT ARO-001: {met.detail}",)
    assert light(TARGETS, [met], [switch("CIT", "resume", BEFORE)]).light == "go_without"
    assert light(TARGETS, [met], [switch("CIT", "resume", AFTER)]).light == "go"


def test_one_pause_is_told_once() -> None:
    met = refused("CIT", "13007", "The table is paused: Shuffling. Resume it to go on.")
    assert len(light(TARGETS, [met], [switch("CIT", "pause", BEFORE)]).why) == 1


def test_a_round_open_at_the_table_offers_both_ways_out() -> None:
    (why,) = light(TARGETS, [refused("PRD", "13003", None)]).why
    assert why == f"PRD ARO-001: {ROUND_OPEN_SENTENCE}"


def test_an_open_breaker_is_a_reason_told_once() -> None:
    broken = {("CIT", CODE)}
    found = light(TARGETS, [refused("CIT", "breaker_open", "Not answering.")], (), broken)
    assert (found.light, len(found.why)) == ("go_without", 1)
    assert "probed" in found.why[0]


def test_a_start_that_missed_is_past_once_the_breaker_has_closed() -> None:
    missed = Trouble("CIT", CODE, "start", "expired", "breaker_open", "Not answering.", at=NOW)
    assert light(TARGETS, [missed]).light == "go"
    owed = Trouble("CIT", CODE, "result", "pending", "breaker_open", "Not answering.", at=NOW)
    assert light(TARGETS, [owed]).light == "go_without"


def test_what_an_earlier_round_owes_is_a_reason() -> None:
    owed = Trouble("PRD", CODE, "result", "unknown", None, "No answer.", at=NOW, earlier=True)
    found = light(TARGETS, [owed])
    assert found.why == ("PRD ARO-001: an earlier round still owes its result (unknown).",)
    assert found.light == "hold"
