"""What the documents say is there: links, verbs, settings, tests."""

import re
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

import gateway.settings
import log_service.settings
import table_service.settings
from fleetkit import settings
from native.settings import PASSWORDS

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
FENCED = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
VERB = re.compile(r"\./manage\.sh ([a-z]+)")
HEADING = re.compile(r"(?m)^(#+) (.+)$")
ROW = re.compile(r"(?m)^\| `(PITBOSS_\w+)` \| ([^|]*) \|")
NAMED_TEST = re.compile(r"\[`(test_\w+)`\]\(([^)\s]+\.py)\)")


def _prose(text: str) -> str:
    return FENCED.sub("", text)


def _headings(text: str) -> list[tuple[int, str]]:
    return [(len(marks), title) for marks, title in HEADING.findall(_prose(text))]


def _anchors(text: str) -> set[str]:
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for _, title in _headings(text))
    return {title.replace(" ", "-") for title in plain}


def _scripts(text: str) -> list[str]:
    return [body for language, body in FENCED.findall(text) if language in {"sh", "bash"}]


def test_links_lead_somewhere(root: Path, documents: dict[str, str]) -> None:
    broken = []
    for document, text in documents.items():
        for _, link in LINK.findall(_prose(text)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (root / document).parent / path if path else root / document
            found = target.exists() and (not anchor or anchor in _anchors(target.read_text()))
            if not found:
                broken.append((document, link))
    assert not broken


def test_verbs_named_in_documents_are_those_of_help(root: Path, documents: dict[str, str]) -> None:
    shown = subprocess.run([root / "manage.sh", "help"], capture_output=True, text=True, check=True)
    verbs = set(re.findall(r"(?m)^  ([a-z]+) {2,}\S", shown.stdout + shown.stderr))
    assert {"demo", "test"} <= verbs
    named = {(path, verb) for path, text in documents.items() for verb in VERB.findall(text)}
    assert not [one for one in named if one[1] not in verbs]


def test_scripts_in_documents_can_be_parsed(documents: dict[str, str]) -> None:
    for document, text in documents.items():
        for script in _scripts(text):
            parsed = subprocess.run(
                ["/bin/bash", "-n"], input=script, capture_output=True, text=True, check=False
            )
            assert parsed.returncode == 0, (document, parsed.stderr)


def test_every_setting_is_documented_and_no_other(documents: dict[str, str]) -> None:
    rows = [name for name, _ in ROW.findall(documents["docs/settings.md"])]
    assert sorted(rows) == sorted({*settings.KNOWN, *PASSWORDS.values(), "PITBOSS_PYTHON"})


@pytest.mark.parametrize(
    "read_by",
    [gateway.settings.Settings, log_service.settings.Settings, table_service.settings.Settings],
)
def test_defaults_are_documented(
    read_by: type[settings.Settings], documents: dict[str, str]
) -> None:
    rows = dict(ROW.findall(documents["docs/settings.md"]))
    for field, info in read_by.model_fields.items():
        if field == "instance":  # the machine's own name
            continue
        default = info.default
        plain = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = "nothing" if plain in (None, "") else f"`{plain}`"
        shown = "none" if info.is_required() else shown
        assert shown in rows[f"PITBOSS_{field.upper()}"], field


def test_every_example_setting_is_documented(texts: dict[str, str]) -> None:
    named = set(re.findall(r"(?m)^#?(PITBOSS_\w+)=", texts[".env.example"]))
    assert named <= {name for name, _ in ROW.findall(texts["docs/settings.md"])}


def test_each_guarantee_names_tests_that_exist(root: Path, documents: dict[str, str]) -> None:
    named = NAMED_TEST.findall(documents["docs/guarantees.md"])
    assert named
    missing = [
        (test, path)
        for test, path in named
        if not re.search(rf"(?m)^(?:async )?def {test}\(", (root / "docs" / path).read_text())
    ]
    assert not missing


def test_each_guarantee_has_its_limit_and_its_test(documents: dict[str, str]) -> None:
    promises = [
        line.split(" | ")
        for line in documents["docs/guarantees.md"].splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    assert [int(cells[0].strip("| ")) for cells in promises] == [*range(1, len(promises) + 1)]
    assert not [cells for cells in promises if len(cells) != 4 or "`test_" not in cells[3]]


def test_the_two_readmes_go_side_by_side(documents: dict[str, str]) -> None:
    ours, theirs = documents["README.md"], documents["README.zh-TW.md"]
    assert [level for level, _ in _headings(ours)] == [level for level, _ in _headings(theirs)]
    assert _scripts(ours) == _scripts(theirs)


def test_decisions_are_numbered_and_tell_context_decision_consequences(
    documents: dict[str, str],
) -> None:
    decisions = sorted(path for path in documents if re.match(r"docs/adr/\d", path))
    numbers = [int(Path(path).name[:4]) for path in decisions]
    assert numbers == [*range(1, len(numbers) + 1)]
    for path in decisions:
        titles = [title for level, title in _headings(documents[path]) if level == 2]
        assert titles == ["Context", "Decision", "Consequences"], path
