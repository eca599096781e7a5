"""What changed between two documents, value by value."""

from typing import Any

from ledger.domain.config import Environment
from ledger.domain.differences import Difference, between


def environment(**fields: Any) -> Environment:
    base = {"environment": "CIT", "base_url": "https://table-api.cit.example", "tables": []}
    return Environment.model_validate(base | fields)


A = {"id": "A", "type": "sicbo"}
B = {"id": "B", "type": "sicbo"}


def test_a_document_does_not_differ_from_itself() -> None:
    assert between(environment(tables=[A, B]), environment(tables=[B, A])) == []


def test_a_value_is_named_by_its_path_and_a_table_by_its_code() -> None:
    before = environment(tables=[A], limits={"per_target": 4})
    after = environment(tables=[{**A, "priority": 2}], limits={"per_target": 2})
    assert between(before, after) == [
        Difference("limits.per_target", "change", 4, 2),
        Difference("tables.A.priority", "change", 1, 2),
    ]


def test_a_table_comes_and_goes_as_a_whole() -> None:
    found = between(environment(tables=[A]), environment(tables=[B]))
    assert [(one.path, one.op) for one in found] == [("tables.A", "remove"), ("tables.B", "add")]
    assert isinstance(found[1].after, dict)
    assert (found[1].after["type"], found[1].before) == ("sicbo", None)


def test_from_nothing_all_is_added() -> None:
    found = between(None, environment(tables=[A]))
    assert {one.op for one in found} == {"add"}
    assert {"base_url", "tables.A"} <= {one.path for one in found}
