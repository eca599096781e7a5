"""What the stress run refuses, and how it reckons and proves."""

from dataclasses import replace

import pytest

import stress_test
from native.demo.views import Leg, Round
from stress import program, proof
from stress.score import Played, percentile

LEG = Leg(
    environment="PRD",
    game_code="S-1",
    required=True,
    state="finished",
    external_round_id="S-1-a",
    command="finish",
    outcome="accepted",
)
ROUND = Round("01R", "S-1", "finished", "complete", {"roulette": "7"}, 1.0, (LEG,))
PLAYED = Played("S-1", ROUND, settled=True, result={"roulette": "7"})


def effect(operation: str, **other: object) -> dict[str, object]:
    return {
        "environment": "PRD",
        "table": "S-1",
        "operation": operation,
        "round": "S-1-a",
        "result": "7" if operation == "deal" else None,
        "repeat": False,
        **other,
    }


WHOLE = [effect(one) for one in ("start", "auto-bet-stop", "deal", "finish")]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--consoles", "0"],
        ["--consoles", "-3"],
        ["--consoles", "many"],
        ["--seconds", "0"],
        ["--seconds", "1e9"],
        ["--seed", "x"],
        ["--no-such-option"],
        ["nonsense"],
        ["rounds", "nonsense"],
    ],
)
def test_wrong_use_is_one_sentence(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert stress_test.main(wrong) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err


def test_without_options_a_hundred_consoles_play() -> None:
    assert program.parse([]).consoles == 100


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([3.0], 0.99) == 3


def test_what_is_as_it_was_told_is_fine() -> None:
    repeated = effect("deal", repeat=True)
    session = effect("sessions", round=None)
    assert proof.compare({"01R": PLAYED}, [*WHOLE, repeated, session]) == []


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        (WHOLE[:2] + WHOLE[3:], "deal is lost"),
        ([*WHOLE, effect("finish")], "finish took effect 2 times"),
        ([*WHOLE[:2], effect("deal", result="8"), WHOLE[3]], "took the result 8"),
        ([*WHOLE, effect("start", round="S-1-b"), effect("deal", round="S-1-b")], "is of no leg"),
    ],
)
def test_what_is_lost_doubled_or_wrong_is_said(effects: list[dict[str, object]], said: str) -> None:
    found = proof.compare({"01R": PLAYED}, effects)
    assert len(found) == 1
    assert said in found[0]


def test_a_round_that_did_not_end_is_said() -> None:
    still = replace(ROUND, state="dealt", legs=())
    assert "has not ended" in proof.compare({"01R": Played("S-1", still)}, [])[0]
