from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledger.domain.commands import ROUND_KINDS, Kind
from ledger.verify.effects import Effect, Sent, SentLeg, compare

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
RED: object = {"roulette": "7"}
PLAYED = tuple(kind for kind in ROUND_KINDS if kind is not Kind.CANCEL)


def moment(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def effect(n: int, operation: str, *, round_: str = "r1", repeat: bool = False) -> Effect:
    result = "7" if operation == "deal" else None
    return Effect(n, moment(n), "CIT", "ARO-001", operation, round_, result, repeat)


# The first is from before, so that the account covers the round.
BEFORE = effect(-10, "finish", round_="r0")
EFFECTS = [BEFORE, *(effect(n, kind.operation) for n, kind in enumerate(PLAYED))]
LEG = SentLeg(
    round_id="01JD0000000000000000000000",
    environment="CIT",
    game_code="ARO-001",
    served_by="ARO-001",
    external_round_id="r1",
    result=RED,
    sent={
        kind: Sent(kind, "accepted", moment(n), moment(n + 0.5)) for n, kind in enumerate(PLAYED)
    },
)


def broken(
    effects: list[Effect], *legs: SentLeg, whole: bool = False, until: datetime = LATER
) -> set[str]:
    found = compare(effects, legs or (LEG,), until=until, whole=whole)
    return {finding.check.name for finding in found if not finding.ok}


def with_start(state: str, settled_at: datetime | None, **more: Sent) -> SentLeg:
    start = Sent(Kind.START, state, NOW, settled_at)
    sent = {Kind.START: start, **{one.kind: one for one in more.values()}}
    return replace(LEG, external_round_id=None, sent=sent)


def test_a_round_that_took_effect_once_in_order_holds() -> None:
    assert broken(EFFECTS) == set()
    assert broken(EFFECTS[1:], whole=True) == set()
    assert broken([]) == set()


def test_a_repeat_is_no_second_effect() -> None:
    assert broken([*EFFECTS, effect(9, "deal", repeat=True)]) == set()


@pytest.mark.parametrize(
    ("name", "effects"),
    [
        ("one_effect_per_command", [*EFFECTS, effect(9, "finish")]),
        ("effect_has_a_delivery", [*EFFECTS, effect(9, "cancel")]),
        ("effects_in_order", [*EFFECTS[:4], effect(4, "finish"), effect(5, "deal")]),
        ("accepted_took_effect", EFFECTS[:-1]),
        ("accepted_took_effect", [*EFFECTS[:-1], effect(9, "finish", round_="r2")]),
        ("results_are_equal", [*EFFECTS[:3], replace(EFFECTS[3], result="8")]),
    ],
)
def test_what_the_tables_saw_otherwise_is_named(name: str, effects: list[Effect]) -> None:
    assert name in broken(effects)


def test_what_is_outside_the_account_is_not_missed() -> None:
    assert broken([effect(60, "start", round_="r5")]) == set()
    assert broken(EFFECTS[:-1], until=moment(2)) == set()


def test_an_effect_on_a_round_that_no_leg_knows_is_named() -> None:
    strange = [*EFFECTS[1:], effect(9, "start", round_="r2")]
    assert broken(strange) == set()
    assert broken(strange, whole=True) == {"effect_has_a_delivery"}
    earlier = [effect(-9, "start", round_="r0"), *EFFECTS]
    assert broken(earlier, whole=True) == set()
    elsewhere = [*EFFECTS[1:], replace(effect(9, "start", round_="r2"), table="SIC-001")]
    assert broken(elsewhere, whole=True) == set()


def test_a_leg_that_still_looks_for_its_round_accounts_for_it() -> None:
    started = [effect(1, "start", round_="r2")]
    assert broken(started, with_start("unknown", None), whole=True) == set()
    given_up = with_start("expired", moment(3))
    assert broken(started, given_up, whole=True) == {"effect_has_a_delivery"}
    unnamed = Sent(Kind.CANCEL, "accepted", moment(4), moment(5))
    cancelled = with_start("expired", moment(3), cancel=unnamed)
    assert broken([*started, effect(5, "cancel", round_="r2")], cancelled, whole=True) == set()
    assert broken([effect(9, "start", round_="r2")], cancelled, whole=True) != set()
