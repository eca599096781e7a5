"""The old scripts' files read, laid into what stands, and written again."""

from typing import Any

import pytest

from gateway.domain import oldfiles
from ledger.domain.config import Environment

URL = "https://table-api.cit.example/v2/service/tables/"


def entry(name: str = "CIT", **fields: object) -> dict[str, object]:
    return {"name": name, "get_url": URL, "post_url": URL, "game_code": "ARO-001", **fields}


def environment(**fields: Any) -> Environment:
    base = {"environment": "CIT", "base_url": URL.removesuffix("/tables/"), "tables": []}
    return Environment.model_validate(base | fields)


@pytest.mark.parametrize(
    "content",
    [
        [entry("CIT"), entry("CIT-2", game_code="ARO-001-2")],
        {"CIT": entry(), "CIT-2": entry("ignored", game_code="ARO-001-2") | {"name": "CIT-2"}},
        {
            "CIT": {key: value for key, value in entry().items() if key != "name"},
            "CIT-2": {"post_url": URL, "game_code": "ARO-001-2"},
        },
    ],
)
def test_a_list_and_a_map_say_the_same(content: object) -> None:
    reading = oldfiles.read(content, {})
    assert (reading.wrong, reading.odd) == ([], [])
    found = [(one.environment, one.number, one.game_code) for one in reading.targets]
    assert found == [("CIT", 1, "ARO-001"), ("CIT", 2, "ARO-001-2")]
    assert {one.base_url for one in reading.targets} == {URL.removesuffix("/tables/")}
    assert oldfiles.guess_table(reading) == "ARO-001"


def test_what_stands_keeps_its_options() -> None:
    kept = {"id": "ARO-001", "type": "sicbo", "finish_policy": "auto", "priority": 7}
    other = {"id": "SBO-001", "type": "sicbo"}
    standing = {"CIT": environment(tables=[kept, other], limits={"per_target": 2})}
    reading = oldfiles.read([entry()], {})
    documents = oldfiles.lay(reading, "ARO-001", "vip_roulette", standing)
    assert reading.wrong == []
    made = Environment.model_validate(documents["CIT"])
    first = standing["CIT"].tables[0].model_copy(update={"type": "vip_roulette"})
    assert made == standing["CIT"].model_copy(update={"tables": (first, standing["CIT"].tables[1])})


def test_only_the_primary_is_required_when_it_is_made() -> None:
    reading = oldfiles.read([entry("PRD"), entry("CIT")], {})
    documents = oldfiles.lay(reading, "ARO-001", "sicbo", {})
    assert {name: one["primary"] for name, one in documents.items()} == {"PRD": True, "CIT": False}


def test_an_unknown_field_is_told_and_left_out() -> None:
    reading = oldfiles.read([entry(comment="old")], {})
    assert "comment" in reading.odd[0]
    assert oldfiles.lay(reading, "ARO-001", "sicbo", {})["CIT"].keys() == {
        "environment",
        "base_url",
        "primary",
        "tables",
    }


@pytest.mark.parametrize("key", ["access_token", "table_token", "token", "Signature", "apiKey"])
def test_a_token_is_refused_and_not_repeated(key: str) -> None:
    reading = oldfiles.read([entry(**{key: "planted-token"})], {})
    [wrong] = reading.wrong
    assert wrong.field == f"body.0.{key}"
    assert "tokens are not kept" in wrong.detail
    assert "planted-token" not in str(reading)


def test_a_table_is_written_as_it_was_read() -> None:
    content = [entry("CIT"), entry("CIT-2", game_code="ARO-001-2")]
    documents = oldfiles.lay(oldfiles.read(content, {}), "ARO-001", "sicbo", {})
    standing = {name: Environment.model_validate(one) for name, one in documents.items()}
    assert oldfiles.write("ARO-001", standing) == content
    assert oldfiles.write("ARO-009", standing) == []
    assert oldfiles.guess_type("ARO-001", standing) == ("sicbo", True)


@pytest.mark.parametrize(
    ("table", "kind"),
    [("SBO-001", "sicbo"), ("BCR-001", "baccarat"), ("ARO-001", "speed_roulette")],
)
def test_a_type_that_nobody_knows_is_guessed(table: str, kind: str) -> None:
    assert oldfiles.guess_type(table, {}) == (kind, False)
