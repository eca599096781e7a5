import io
from datetime import UTC, datetime
from typing import Any

import pytest

from pitboss_cli import grid, paint, program, rounds
from pitboss_cli.commands import batches
from pitboss_cli.grid import Cell
from pitboss_cli.paint import Ink, Paint
from pitboss_cli.watching.board import Board
from pitboss_cli.watching.screen import Lines, Moving
from pitboss_cli.watching.stream import Event

PLAIN = Paint(colour=False)
NOW = datetime(2026, 11, 21, 9, 0, 5, tzinfo=UTC)


def leg(environment: str, outcome: str, state: str = "opened", **last: Any) -> dict[str, Any]:
    said = {"code": None, "detail": None, "latency_ms": 8.25, "next_attempt_at": None, **last}
    return {
        "environment": environment,
        "game_code": "ARO-001",
        "served_by": "ARO-001",
        "required": environment == "PRD",
        "state": state,
        "bet_stop_at": "2026-11-21T09:00:15.000Z",
        "last": {"command": "start", "outcome": outcome, "attempts": 1, **said},
    }


def a_round(*legs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "round": "01JD0000000000000000000000",
        "table": "ARO-001",
        "type": "speed_roulette",
        "state": "open",
        "outcome": "partial",
        "result": None,
        "started_at": "2026-11-21T09:00:00.000Z",
        "skew_ms": 3.14,
        "legs": list(legs),
        **fields,
    }


def test_columns_are_aligned_whatever_the_colours() -> None:
    rows: list[grid.Row] = [
        ("short", Cell("x", Ink.RED)),
        ("much longer", Cell("y", Ink.GREEN)),
        (None, 5),
    ]
    lines = grid.draw(("A", "B"), rows, PLAIN)
    assert lines == ["A            B", "short        x", "much longer  y", "-            5"]
    coloured = grid.draw(("A", "B"), rows, Paint(colour=True))
    assert coloured[1] == "short        \033[31mx\033[0m"


def test_words_of_others_can_not_move_the_cursor() -> None:
    [_, line] = grid.draw(("A",), [("red \033[31m\r\nbell \a",)], PLAIN)
    assert line == "red ?[31m? bell ?"


def test_colours_are_for_terminals_that_want_them() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert paint.choose(Terminal(), {}).colour
    assert not paint.choose(Terminal(), {"NO_COLOR": "1"}).colour
    assert not paint.choose(Terminal(), {"TERM": "dumb"}).colour
    assert not paint.choose(io.StringIO(), {}).colour


def test_a_round_shows_a_line_for_each_leg_and_says_what_is_wrong() -> None:
    found = a_round(
        leg("PRD", "accepted"),
        leg("STG", "rejected", "failed", code="13003", detail="Not finished.", latency_ms=None),
    )
    head, titles, first, second = rounds.draw(found, PLAIN)
    assert head.startswith("01JD0000000000000000000000  ARO-001 (speed_roulette) open, partial")
    assert "skew 3.1 ms" in head
    assert titles.split()[:3] == ["ENVIRONMENT", "TARGET", "STATE"]
    assert first.split()[:6] == ["PRD*", "ARO-001", "opened", "start", "accepted", "8.2"]
    assert second.endswith("13003: Not finished.")


def test_the_board_puts_required_environments_first_and_marks_the_worst_leg() -> None:
    board = Board()
    target = {"environment": "CIT", "required": False}
    board.learn_tables(
        [
            {
                "table": "ARO-001",
                "readiness": {"light": "go"},
                "targets": [target, {"environment": "PRD", "required": True}],
            },
            {"table": "BAC-001", "readiness": {"light": "hold"}, "targets": [target]},
        ]
    )
    assert board.learn_round(a_round(leg("PRD", "accepted"), leg("CIT", "unknown", "pending")))
    head, first, second = board.draw(NOW, PLAIN, 20)
    assert head.split() == ["TABLE", "LIGHT", "ROUND", "BETS", "RESULT", "PRD", "CIT"]
    assert first.split()[:4] == ["ARO-001", "go", "open", "10s"]
    assert first.endswith("\N{BLACK CIRCLE} open  \N{HORIZONTAL ELLIPSIS} ?")
    assert second.split()[:2] == ["BAC-001", "hold"]


def test_the_board_knows_only_the_latest_round_of_a_table() -> None:
    board = Board()
    newer = a_round(round="01JD0000000000000000000001")
    assert board.learn_round(newer)
    assert not board.learn_round(newer)
    assert not board.learn_round(a_round())
    assert board.rounds["ARO-001"] == newer


def test_a_small_terminal_shows_the_tables_in_trouble() -> None:
    board = Board()
    for number in range(10):
        board.learn_round(a_round(leg("PRD", "accepted"), table=f"T{number}"))
    board.learn_round(a_round(leg("PRD", "rejected"), table="T7"))
    lines = board.draw(NOW, PLAIN, 3)
    assert [line.split()[0] for line in lines] == ["TABLE", "T0", "T7", "..."]
    assert lines[-1] == "... and 8 more"


def test_elsewhere_than_on_a_terminal_each_event_is_a_line() -> None:
    out = io.StringIO()
    data = {"actor": "dealer-1", "legs": []}
    told = {"type": "round.started", "table": "ARO-001", "environment": None, "data": data}
    Lines(out, as_json=False).event(Event("7", "round.started", told))
    Lines(out, as_json=True).event(Event("7", "round.started", told))
    plain, as_json = out.getvalue().splitlines()
    assert plain == "round.started  ARO-001  actor=dealer-1"
    assert as_json.startswith('{"type": "round.started"')


def test_a_moving_screen_gives_the_terminal_back() -> None:
    out = io.StringIO()
    screen = Moving(out, PLAIN, "pitboss")
    screen.refresh(Board())
    screen.close()
    assert out.getvalue().startswith("\033[?1049h")
    assert out.getvalue().endswith("\033[?1049l")


def test_a_batch_ends_with_the_code_of_all_its_tables() -> None:
    names = ("complete", "partial", "failed", "refused", "not_begun", "waiting", "pending")
    blank = {"running": 0, **dict.fromkeys(names, 0)}
    for counts, code in (
        ({"complete": 3}, 0),
        ({"complete": 2, "failed": 1}, 4),
        ({"failed": 2, "refused": 1}, 1),
        ({"partial": 1, "failed": 1}, 4),
        ({"complete": 49, "pending": 1}, 5),
        ({"pending": 1, "failed": 1}, 4),
    ):
        assert batches.judge({**blank, **counts, "total": sum(counts.values())}) == code, counts


def test_wrong_use_is_one_sentence_and_two(capsys: pytest.CaptureFixture[str]) -> None:
    for line, sentence in (
        (["start"], "Missing argument 'TABLE'. See: pitboss start --help"),
        (["strat", "A"], "No such command 'strat'"),
        (["rounds", "--limit", "0"], "--limit"),
        (["rounds", "--since", "soon"], "is no time; write 2026-11-21T09:00:00Z, or 15m ago"),
        (["result", "ARO-001"], "Give one result"),
        (["result", "ARO-001", "--dice", "a"], "'a' is no die"),
        (["start", "../keys"], "is no name of a table"),
        (["start", "A", "--environments", ","], "A name is needed"),
        (["pause", "A"], "Missing option '--reason'"),
        (["round", "A", "--url", "nowhere"], "is no address"),
        (["round", "A", "--retry-for", "-1"], "--retry-for"),
        (["config", "put", "/nowhere/at/all.json"], "can't be read"),
        (["batch", "run", "start"], "Name the tables, or give --all."),
        (["batch", "run", "result", "A"], "Give one result"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ):
        assert program.main(line) == 2, line
        said = capsys.readouterr()
        assert sentence in said.err
        assert (said.out, len(said.err.splitlines())) == ("", 1), said


def test_every_command_has_help_and_each_shell_its_script(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in program.pitboss.commands:
        assert program.main([name, "--help"]) == 0
        assert "--json" in capsys.readouterr().out, name
    for shell in ("bash", "zsh", "fish"):
        assert program.main(["completion", shell]) == 0
        assert "_PITBOSS_COMPLETE" in capsys.readouterr().out
    assert program.main(["--help"]) == 0
    assert "not settled yet" in capsys.readouterr().out
