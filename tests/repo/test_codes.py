"""What a night shift searches for is explained: each code the sources give, and no other."""

import ast
import re
from collections.abc import Iterator
from itertools import chain

TOLD = "docs/operations.md"
SOURCES = re.compile(
    r"(?:gateway|ledger|fleetkit|log-service|metrics-service|table-service)/src/.+\.py$|nginx/.+\.template$"
)
# Where a code is handed over by its place, not by its name: the function and the place.
PLACES = {
    "Decision": 1,
    "Finding": 0,
    "_rejected": 0,
    "_superseded": 0,
    "answer": 1,
    "settled": 3,
}
WRITTEN = (
    re.compile(r"\bcode = '(\w+)'"),  # by a statement
    re.compile(r'"code":"(\w+)"'),  # by nginx
    re.compile(r'(?m)^[A-Z_]+ = "(\d{5})"$'),  # the Table API's own
)
ROW = re.compile(r"(?m)^\| (`[^|]+`) \|")


def _read(node: ast.expr | None) -> Iterator[str]:
    """Give a code as a pattern: a part that is put in when it runs may be any word."""
    match node:
        case ast.Constant(value=str(code)):
            yield re.escape(code)
        case ast.JoinedStr(values=parts):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
                for part in parts
            )
        case ast.IfExp(body=one, orelse=other):
            yield from chain(_read(one), _read(other))
        case ast.BoolOp(values=values):
            yield from chain.from_iterable(map(_read, values))


def _called(node: ast.Call) -> Iterator[str]:
    yield from chain.from_iterable(_read(k.value) for k in node.keywords if k.arg == "code")
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    place = PLACES.get(name, len(node.args))
    if place < len(node.args):
        yield from _read(node.args[place])


def _codes(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call():
                yield from _called(node)
            case ast.Assign(targets=[ast.Name(id="code")]) | ast.AnnAssign(target=ast.Name("code")):
                yield from _read(node.value)
            case ast.AnnAssign(target=ast.Name("_UNROUTED"), value=ast.Dict(values=rows)):
                yield from chain.from_iterable(
                    _read(row.elts[0]) for row in rows if isinstance(row, ast.Tuple)
                )


def _given(texts: dict[str, str]) -> dict[str, str]:
    """Give every code of the sources as a pattern, with a file it stands in."""
    found = {}
    for path, text in texts.items():
        if not SOURCES.match(path):
            continue
        for pattern in WRITTEN:
            found.update({re.escape(code): path for code in pattern.findall(text)})
        if path.endswith(".py"):
            found.update(dict.fromkeys(_codes(text), path))
    return found


def _told(texts: dict[str, str]) -> list[str]:
    section = texts[TOLD].partition("\n## Codes\n")[2].partition("\n## ")[0]
    rows = ROW.findall(section)
    return [code for row in rows for code in re.findall(r"`(\w+)`", row)]


def test_the_sources_are_read(texts: dict[str, str]) -> None:
    assert {"database_unavailable", "13003", "round_\\w+", "deadline", "no_pool"} <= set(
        _given(texts)
    )


def test_every_code_is_explained_to_the_night_shift(texts: dict[str, str]) -> None:
    told = _told(texts)
    assert not {
        code: path
        for code, path in _given(texts).items()
        if not any(re.fullmatch(code, one) for one in told)
    }


def test_no_code_is_explained_that_is_not_there(texts: dict[str, str]) -> None:
    given = list(_given(texts))
    assert not [one for one in _told(texts) if not any(re.fullmatch(c, one) for c in given)]


def test_a_code_is_explained_once(texts: dict[str, str]) -> None:
    told = _told(texts)
    assert not sorted({code for code in told if told.count(code) > 1})


def test_log_lines_that_are_explained_are_written(texts: dict[str, str]) -> None:
    rows = ROW.findall(texts[TOLD].partition("| log line |")[2])
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    written = "".join(text for path, text in texts.items() if SOURCES.match(path))
    assert named
    assert not [word for word in named if f'"{word}"' not in written]
