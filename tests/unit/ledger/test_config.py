from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from ledger.domain.config import Environment, Target, mirrors


def document(**fields: Any) -> dict[str, Any]:
    return {
        "environment": "CIT",
        "base_url": "https://table-api.cit.example/v2/service",
        "tables": [{"id": "ARO-001", "type": "auto-roulette"}],
        **fields,
    }


def test_a_short_document_is_filled_with_what_is_meant() -> None:
    made = Environment.model_validate(document())
    (target,) = made.tables
    assert (target.table, target.type, target.enabled) == ("ARO-001", "speed_roulette", True)
    assert (target.bet_stop, target.finish_policy, target.deal_to_finish_ms) == (
        "auto",
        "manual",
        0,
    )
    assert made.verify_tls
    assert not made.required(target)
    assert made.timeouts_ms.of("bet-stop") == timedelta(seconds=2)
    assert made.timeouts_ms.of("get") == timedelta(seconds=1)


def test_a_document_reads_back_as_it_was_written() -> None:
    made = Environment.model_validate(document(timeouts_ms={"bet-stop": 700}))
    again = Environment.model_validate(made.model_dump(mode="json", by_alias=True))
    assert again == made
    assert again.timeouts_ms.of("bet-stop") == timedelta(milliseconds=700)


@pytest.mark.parametrize(
    "fields",
    [
        {"environment": "cit"},
        {"environment": "C/T"},
        {"base_url": "ftp://table-api.cit.example"},
        {"base_url": "https://table-api.cit.example/?x=1"},
        {"base_url": "https://table-api.cit.example/a b"},
        {"signature": "the-signature-itself"},
        {"table_token": "env:"},
        {"table_token": "env:NOT A NAME"},
        {"table_token": "file:relative"},
        {"timeouts_ms": {"start": 0}},
        {"timeouts_ms": {"start": 60_001}},
        {"limits": {"concurrency": 0}},
        {"limits": {"per_target": 101}},
        {"scaling": {"min_instances": 3, "max_instances": 2}},
        {"header_profile": "other"},
        {"surprise": 1},
        {"tables": [{"id": "ARO-001", "type": "poker"}]},
        {"tables": [{"id": "../x", "type": "sicbo"}]},
        {"tables": [{"id": "A", "type": "sicbo"}, {"id": "A", "type": "sicbo"}]},
        {"tables": [{"id": "A", "type": "sicbo", "bet_stop": "sometimes"}]},
        {"tables": [{"id": "A", "type": "sicbo", "deal_to_finish_ms": -1}]},
    ],
)
def test_a_document_that_is_wrong_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Environment.model_validate(document(**fields))


@pytest.mark.parametrize("reference", ["env:SIGNATURE", "file:/run/secrets/signature"])
def test_a_secret_is_a_reference(reference: str) -> None:
    assert Environment.model_validate(document(signature=reference)).signature == reference


def test_required_is_said_of_the_target_or_follows_the_environment() -> None:
    primary = Environment.model_validate(document(primary=True))
    target = primary.tables[0]
    assert primary.required(target)
    assert not primary.required(target.model_copy(update={"required": False}))
    best_effort = Environment.model_validate(document())
    assert best_effort.required(target.model_copy(update={"required": True}))


def test_mirrors_are_the_enabled_targets_required_first() -> None:
    def environment(name: str, *targets: dict[str, Any], primary: bool = False) -> Environment:
        tables = [{"type": "sicbo", "table": "SIC-001", **target} for target in targets]
        return Environment.model_validate(
            document(environment=name, primary=primary, tables=tables)
        )

    versions = [
        (3, environment("CIT", {"id": "SIC-001"}, {"id": "SIC-002", "priority": 0})),
        (7, environment("PRD", {"id": "SIC-001"}, primary=True)),
        (1, environment("UAT", {"id": "SIC-001", "enabled": False})),
        (1, environment("STG", {"id": "OTHER", "table": "SIC-009"})),
    ]
    found = [
        (m.environment.environment, m.target.id, m.version) for m in mirrors(versions, "SIC-001")
    ]
    assert found == [("PRD", "SIC-001", 7), ("CIT", "SIC-002", 3), ("CIT", "SIC-001", 3)]
    assert mirrors(versions, "NONE") == []


def test_a_target_mirrors_itself_unless_told_otherwise() -> None:
    assert Target.model_validate({"id": "A", "type": "sicbo"}).table == "A"
    assert Target.model_validate({"id": "A", "type": "sicbo", "table": "B"}).table == "B"
