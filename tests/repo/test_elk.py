"""The configuration for ELK can be read, and speaks of fields that our lines have."""

import re
from pathlib import Path

import yaml

from fleetkit import logs

FOLDER = Path(__file__).resolve().parents[2] / "monitoring" / "elk"
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|=>|==|!|[\[\]{},]|[\w./%+-]+|\s+')
CLOSES = {"}": "{", "]": "["}


def _sections(text: str) -> dict[str, str]:
    """Read Logstash's blocks; what opens must close, and nothing else may stand there."""
    sections: dict[str, str] = {}
    opened: list[str] = []
    name, start, at = "", 0, 0
    while at < len(text):
        token = TOKEN.match(text, at)
        assert token, text[at : at + 40]
        word = token[0]
        if word in CLOSES.values():
            if not opened:
                start = token.end()
            opened.append(word)
        elif word in CLOSES:
            assert opened.pop() == CLOSES[word], text[at - 40 : at]
            if not opened:
                sections[name] = text[start:at]
        elif not opened and not word.isspace() and not word.startswith("#"):
            name = word
        at = token.end()
    assert not opened
    return sections


def test_logstash_takes_from_filebeat_and_gives_to_elasticsearch() -> None:
    sections = _sections((FOLDER / "logstash.conf").read_text())
    assert list(sections) == ["input", "filter", "output"]
    assert "beats" in sections["input"]
    assert "elasticsearch" in sections["output"]


def test_filebeat_reads_json_lines_and_gives_to_logstash() -> None:
    told = yaml.safe_load((FOLDER / "filebeat.yml").read_text())
    inputs = {one["type"]: one for one in told["filebeat.inputs"]}
    assert set(inputs) == {"filestream", "container"}
    assert len({one["id"] for one in inputs.values()}) == len(inputs)
    [parser] = inputs["filestream"]["parsers"]
    assert parser["ndjson"]["message_key"] == inputs["container"]["json"]["message_key"]
    port = re.search(r"port => (\d+)", (FOLDER / "logstash.conf").read_text())
    assert port
    assert told["output.logstash"]["hosts"] == [f"${{LOGSTASH_HOST:localhost:{port[1]}}}"]


def test_the_fields_named_for_elk_are_those_our_lines_have() -> None:
    source = Path(logs.__file__).read_text()
    said = (FOLDER / "README.md").read_text()
    named = re.search(r"Common Schema: `([^`]+)`", said)
    assert named
    assert not [field for field in named[1].split() if f'"{field}"' not in source]
