import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from native.demo import matrix, report
from native.demo.board import Board, Column
from native.demo.gateway import Answer
from native.demo.screen import Screen, choose
from native.demo.simulator import Effects
from native.demo.views import Leg, Round, read_round

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ENVIRONMENTS = ["CIT", "QAT", "PRD"]


def make_leg(environment: str = "PRD", **changes: object) -> Leg:
    leg = Leg(
        environment=environment,
        game_code="SBO-001",
        required=environment == "PRD",
        state="opened",
        external_round_id=f"{environment}-SBO-001-1",
        bet_period=2,
        bet_stop_at=NOW + timedelta(seconds=1.5),
        command="start",
        outcome="accepted",
        attempts=1,
        latency_ms=8.2,
    )
    return replace(leg, **changes)  # type: ignore[arg-type]


def make_round(*legs: Leg, state: str = "open", number: int = 1) -> Round:
    return Round(f"R{number}", "SBO-001", state, "complete", None, 3.1, legs or (make_leg(),))


def draw(columns: Mapping[str, Column], width: int, *, colour: bool = False) -> list[str]:
    return matrix.draw(columns, ENVIRONMENTS, rounds=2, width=width, colour=colour, now=NOW)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def board(said: list[str]) -> Board:
    return Board(said.append, rounds_wanted=2)


def test_a_round_is_read_from_the_answer() -> None:
    read = read_round(
        {
            "round": "R1",
            "table": "ARO-001",
            "state": "open",
            "outcome": "partial",
            "result": None,
            "skew_ms": 3.1,
            "legs": [
                {
                    "environment": "PRD",
                    "game_code": "ARO-001",
                    "required": True,
                    "state": "opened",
                    "external_round_id": "X",
                    "bet_period": 15,
                    "bet_stop_at": "2026-11-21T09:00:15.000Z",
                    "last": {
                        "command": "start",
                        "outcome": "accepted",
                        "detail": None,
                        "attempts": 1,
                        "latency_ms": 8.2,
                    },
                },
                {
                    "environment": "QAT",
                    "game_code": "ARO-001",
                    "required": False,
                    "state": "pending",
                    "external_round_id": None,
                    "bet_period": None,
                    "bet_stop_at": None,
                    "last": None,
                },
            ],
        }
    )
    assert read.bets_stop_at == NOW + timedelta(seconds=15)
    assert (read.legs[0].command, read.legs[0].latency_ms) == ("start", 8.2)
    assert read.legs[1].command is None


@pytest.mark.parametrize("width", [78, 80, 99, 100, 140, 200])
@pytest.mark.parametrize("outcome", ["accepted", "pending", "unknown", "not_sent", "rejected"])
def test_no_line_of_the_matrix_is_too_wide(board: Board, width: int, outcome: str) -> None:
    legs = (make_leg(latency_ms=12345.6), make_leg("QAT", outcome=outcome, attempts=12))
    board.see(2, make_round(*legs))
    for line in draw(board.columns, width, colour=True):
        assert len(re.sub(r"\033\[\d+m", "", line)) <= width


def test_the_matrix_shows_state_bet_period_and_latency(board: Board) -> None:
    board.see(1, make_round(make_leg(), make_leg("CIT", state="bet_stopped", bet_period=1)))
    lines = draw(board.columns, 100)
    assert len(lines) == matrix.count_lines(len(ENVIRONMENTS))
    assert "1/2 bets 1.5s" in lines[2]
    assert re.search(r"^CIT .*stopped +1s +8ms$", lines[3])
    assert re.search(r"^PRD\* .*open +2s +8ms$", lines[7])


def test_the_matrix_shows_trouble_in_place_of_the_state(board: Board) -> None:
    board.see(2, make_round(make_leg(), make_leg("QAT", outcome="unknown", attempts=2)))
    assert "? start unknown x2" in "\n".join(draw(board.columns, 100))
    assert "? start unknown" in "\n".join(draw(board.columns, 80))


def test_a_matrix_without_colour_has_no_escapes(board: Board) -> None:
    board.see(1, make_round())
    assert "\033" not in "\n".join(draw(board.columns, 100))
    assert "\033[32m" in "\n".join(draw(board.columns, 100, colour=True))


def test_trouble_and_recovery_are_each_said_once(board: Board, said: list[str]) -> None:
    ill = make_leg("QAT", outcome="unknown", detail="No answer within 1000 ms.", latency_ms=None)
    for leg in (ill, ill, make_leg("QAT", attempts=2), make_leg("QAT", attempts=2)):
        board.see(2, make_round(leg))
    assert said == [
        "QAT SBO-001 start: unknown, No answer within 1000 ms.",
        "QAT SBO-001 start: accepted after all, 2 attempts",
    ]


def test_what_is_under_way_between_two_looks_is_no_news(board: Board, said: list[str]) -> None:
    board.see(1, make_round(make_leg(outcome="pending")))
    assert not said
    board.hear(1, "start", Answer(207, make_round(make_leg(outcome="pending")), 400.0))
    assert said[-1] == "PRD SBO-001 start: pending"


def test_a_round_is_over_when_every_leg_is(board: Board, said: list[str]) -> None:
    late = make_leg("QAT", state="dealt", command="finish", outcome="pending")
    board.see(1, make_round(late, state="finished"))
    assert not said
    done = replace(late, state="finished", outcome="accepted")
    board.see(1, make_round(done, state="finished"))
    board.see(1, make_round(done, state="finished"))
    assert said == ["SBO-001  1/2  finished, 1 legs, skew 3.1 ms"]


def count(*legs: Leg, **changed: int) -> Effects:
    each = {"start": 1, "bet-stop": 1, "deal": 1, "finish": 1, **changed}
    return Effects(
        {(str(leg.external_round_id), name): n for leg in legs for name, n in each.items()}
    )


def test_nothing_is_wrong_when_each_effect_took_place_once(board: Board) -> None:
    leg = make_leg(state="finished")
    board.see(1, make_round(leg, state="finished"))
    assert report.judge(board, set(), count(leg)) == report.Verdict(4, ())


def test_a_double_a_missing_and_an_unresolved_effect_are_wrong(board: Board) -> None:
    leg = make_leg(state="finished")
    board.see(1, make_round(leg, state="finished"))
    doubled = report.judge(board, set(), count(leg, deal=2, finish=0))
    assert doubled.wrong == (
        "PRD SBO-001: deal took effect 2 times in R1.",
        "PRD SBO-001: finish took effect 0 times in R1.",
    )
    assert report.judge(board, {"R1"}, count(leg)).wrong == ("Round R1 on SBO-001 is unresolved.",)
    board.see(1, make_round(leg, state="dealt"))
    assert report.judge(board, set(), count(leg)).wrong == ("Round R1 on SBO-001 is dealt.",)


def test_the_summary_keeps_the_last_round_and_who_misbehaved_apart(board: Board) -> None:
    board.hear(1, "start", Answer(201, make_round(make_leg(latency_ms=5.0)), 10.0))
    last = make_round(make_leg(latency_ms=6.0), make_leg("QAT", latency_ms=900.0), number=2)
    board.hear(2, "start", Answer(207, last, 400.0))
    summary = report.summarize(board, report.Verdict(8, ()), 5.0)
    commands = summary["commands"]
    assert isinstance(commands, dict)
    assert commands["start"] == {
        "answers": {"201": 1, "207": 1},
        "dealer_ms": {"p50": 10.0, "p95": 400.0},
        "leg_ms": {"p50": 5.0, "p95": 5.0},
        "other_legs_ms": {"p50": 6.0, "p95": 6.0},
    }
    assert (summary["rounds"], summary["legs"]) == (2, 3)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 50, None), ([3.0], 95, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), ([1.0, 2.0], 95, 2.0)],
)
def test_a_percentile_is_a_value_that_was_met(
    values: list[float], share: int, wanted: float | None
) -> None:
    assert report.percentile(values, share) == wanted


def test_in_a_pipe_lines_are_appended() -> None:
    out = io.StringIO()
    screen = choose(5, out, {"TERM": "xterm"})
    screen.say("said")
    with screen.watching(lambda width, *, colour: [f"{width} {colour}"]):
        pass
    assert re.fullmatch(r"\[ 0\.0\ds\] said\n\n100 False\n", out.getvalue())


def test_a_quiet_screen_says_nothing() -> None:
    out = io.StringIO()
    screen = Screen(out, quiet=True)
    screen.say("said")
    with screen.watching(lambda _width, *, colour: [f"{colour}"]):
        pass
    assert not out.getvalue()
