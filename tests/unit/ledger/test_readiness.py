from ledger.domain.config import Environment, Mirror, Target
from ledger.domain.readiness import Trouble, light

TARGET = Target.model_validate({"id": "ARO-001", "type": "speed_roulette"})


def mirror(name: str, *, required: bool = False) -> Mirror:
    environment = Environment(
        environment=name,
        base_url="https://table-api.example/v2/service",
        primary=required,
        tables=(TARGET,),
    )
    return Mirror(environment=environment, version=1, target=TARGET)


def trouble(name: str, detail: str | None = None, code: str = "ARO-001") -> Trouble:
    return Trouble(name, code, "finish", "unknown", None, detail)


TARGETS = [mirror("PRD", required=True), mirror("CIT"), mirror("UAT")]


def test_without_trouble_a_round_can_begin() -> None:
    assert light(TARGETS, []).light == "go"


def test_a_best_effort_target_in_trouble_is_gone_without() -> None:
    shown = light(TARGETS, [trouble("CIT"), trouble("CIT", "The table is paused.")])
    assert (shown.light, shown.without) == ("go_without", ("CIT/ARO-001",))
    assert shown.why == (
        "CIT ARO-001: its finish is unknown.",
        "CIT ARO-001: The table is paused.",
    )


def test_a_required_target_in_trouble_holds_the_round() -> None:
    shown = light(TARGETS, [trouble("UAT"), trouble("PRD")])
    assert (shown.light, shown.without) == ("hold", ("PRD/ARO-001", "UAT/ARO-001"))


def test_trouble_of_a_target_that_no_longer_takes_part_is_nobodys() -> None:
    assert light(TARGETS, [trouble("STG"), trouble("PRD", code="OTHER")]).light == "go"
