"""What the chaos verb refuses, and that its plan can be read without a run."""

import pytest

from chaos import __main__ as verb


@pytest.mark.parametrize(
    "wrong",
    [
        ["--minutes", "0"],
        ["--minutes", "-1"],
        ["--minutes", "nan"],
        ["--minutes", "soon"],
        ["--seed", "-1"],
        ["--seed", "x"],
        ["--consoles", "0"],
        ["now"],
    ],
)
def test_wrong_use_is_one_sentence(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert verb.main(wrong) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_the_plan_is_shown_and_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for _ in range(2):
        assert verb.main(["--plan", "--minutes", "3", "--seed", "7"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert shown[0].count("\n") == 60
