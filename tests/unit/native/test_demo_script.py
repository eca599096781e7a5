from random import Random

import pytest

from ledger.domain import results
from ledger.domain.config import Environment
from native.demo import configuration, script, wheel
from native.refusals import Refusal

HERE = "http://127.0.0.1:20123"
MOVED = "http://127.0.0.1:20124"


@pytest.mark.parametrize("table", script.TABLES, ids=lambda table: table.name)
def test_every_result_drawn_is_valid_for_its_game(table: script.Table) -> None:
    random = Random(7)
    for _ in range(200):
        drawn = wheel.draw(table.game, random)
        assert results.parse(table.game, drawn).wire() == drawn


def test_every_coup_follows_the_drawing_rules() -> None:
    for coup in wheel.COUPS:
        results.parse("baccarat", {"baccarat": list(coup)})


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"roulette": "17"}, "17"),
        ({"sicBo": [1, 2, 3]}, "1-2-3"),
        ({"baccarat": ["C10", "H3", "S6", "D2", "", "S4"]}, "P6:B9"),
        (None, ""),
    ],
)
def test_a_result_is_said_shortly(result: dict[str, object] | None, said: str) -> None:
    assert wheel.describe(result) == said


@pytest.mark.parametrize("environment", ["CIT", "UAT", "QAT", "STG", "PRD"])
def test_the_configuration_of_a_new_environment_is_valid(environment: str) -> None:
    wanted = configuration.lay_over(None, environment, HERE)
    document = Environment.model_validate(wanted)
    assert document.primary is (environment == "PRD")
    assert {target.table for target in document.tables} == {each.name for each in script.TABLES}
    assert [each.id for each in document.tables if each.table == "ARO-001"] == [
        "ARO-001",
        "ARO-001-2",
    ]


def test_a_configuration_that_stands_is_left_as_it_is() -> None:
    wanted = configuration.lay_over(None, "STG", HERE)
    standing = Environment.model_validate(wanted).model_dump(mode="json", by_alias=True)
    assert configuration.lay_over(standing, "STG", HERE) == standing


def test_what_the_demo_does_not_need_is_kept() -> None:
    own = {"id": "X-1", "type": "sicbo", "table": "X-1"}
    standing: configuration.Document = {
        "environment": "CIT",
        "base_url": configuration.base_url("CIT", MOVED),
        "limits": {"concurrency": 7},
        "timeouts_ms": {"get": 321},
        "tables": [own, {"id": "SBO-001", "type": "speed_roulette", "priority": 9}],
    }
    wanted = configuration.lay_over(standing, "CIT", HERE)
    document = Environment.model_validate(wanted)
    assert document.base_url == configuration.base_url("CIT", HERE)
    assert document.limits.concurrency == 7
    assert document.timeouts_ms.get == 321
    targets = {target.id: target for target in document.tables}
    assert set(targets) == {"X-1", "SBO-001", "ARO-001", "ARO-001-2", "ARO-002", "BCR-001"}
    assert (targets["SBO-001"].type, targets["SBO-001"].priority) == ("sicbo", 9)


@pytest.mark.parametrize(
    "url",
    [
        "https://table-api.cit.example/v2/service",
        "http://127.0.0.1:8090/prd/v2/service",
        "http://127.0.0.1.example:8090/cit/v2/service",
    ],
)
def test_a_real_configuration_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="CIT is configured for"):
        configuration.lay_over({"base_url": url, "tables": []}, "CIT", HERE)


def test_each_table_has_its_trouble() -> None:
    assert set(script.TROUBLES) == {table.name for table in script.TABLES}
    assert {each.command for each in script.TROUBLES.values()} == {"start", "result", "finish"}


def test_bet_periods_differ_by_environment() -> None:
    table = script.TABLES[0]
    assert table.bet_period_in("STG") == table.bet_period_in("PRD") - 1
    assert all(each.bet_period_in("STG") >= 1 for each in script.TABLES)
