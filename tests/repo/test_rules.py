"""Prometheus's rules can be read, speak of figures that there are, and are told of in the docs."""

import re
from pathlib import Path
from typing import Any

import yaml

DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")
FUNCTIONS = {"max", "sum", "by", "increase", "rate", "on", "and"}
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "")


def _rules(root: Path) -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted(root.glob("monitoring/rules/*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def _made(root: Path) -> set[str]:
    """Find the figures that our code makes."""
    texts = [path.read_text() for path in root.glob("*/src/**/*.py")]
    found = (re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(\w+)"', text) for text in texts)
    return {name for names in found for name in names}


def test_rules_speak_of_figures_that_there_are(root: Path) -> None:
    made = _made(root)
    rules = _rules(root)
    assert rules
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert DURATION.fullmatch(rule.get("for", "0s"))
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        expression = rule["expr"]
        for opening, closing in ("()", "[]", "{}"):
            assert expression.count(opening) == expression.count(closing)
        assert all(DURATION.fullmatch(span) for span in re.findall(r"\[(.*?)\]", expression))
        plain = re.sub(r"\{.*?\}|\[.*?\]|\bby \(.*?\)", "", expression)
        for name in set(re.findall(r"[a-z_]\w*", plain)) - FUNCTIONS:
            assert any(name.removesuffix(suffix) in made for suffix in SUFFIXES), name


def test_each_alert_has_its_heading(root: Path) -> None:
    headings = re.findall(
        r"^#+ (Pitboss\w+)$", (root / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert sorted(headings) == sorted(rule["alert"] for rule in _rules(root))
