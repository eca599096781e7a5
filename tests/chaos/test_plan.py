"""The plan is what the seed says, whatever the machine is like."""

from chaos import plan
from chaos.plan import Action
from chaos.strikes import service_of

ENVIRONMENTS = ("CIT", "PRD", "STG")


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    first = plan.draw(7, 3, ENVIRONMENTS)
    assert first == plan.draw(7, 3, ENVIRONMENTS)
    assert first != plan.draw(8, 3, ENVIRONMENTS)


def test_a_longer_plan_begins_as_the_shorter_one() -> None:
    short = plan.draw(7, 1, ENVIRONMENTS)
    assert plan.draw(7, 10, ENVIRONMENTS)[: len(short)] == short


def test_ten_minutes_are_two_hundred_faults_of_every_kind_at_everything() -> None:
    drawn = plan.draw(1, 10, ENVIRONMENTS)
    assert len(drawn) >= 200
    assert {one.action for one in drawn} == set(Action)
    killed = {one.target for one in drawn if one.action is Action.KILL}
    pools = {f"table-service-{name.lower()}" for name in ENVIRONMENTS}
    beside = {"log-service", "log-worker", "metrics-service"}
    assert killed == {"gateway", "nginx", "nginx-worker", "postgres", "redis", *pools, *beside}
    assert {service_of(one) for one in killed} == killed - {"nginx-worker"}
    linked = {one.target for one in drawn if one.action is Action.LINK}
    assert {"postgres", "redis", "table-api-prd"} <= linked


def test_faults_come_in_order_and_last_a_while_at_most() -> None:
    drawn = plan.draw(3, 20, ENVIRONMENTS)
    assert [one.number for one in drawn] == [*range(1, len(drawn) + 1)]
    assert [one.at_s for one in drawn] == sorted(one.at_s for one in drawn)
    assert max(one.hold_s for one in drawn) <= 5


def test_a_fault_knows_its_environment() -> None:
    drawn = plan.draw(3, 20, ENVIRONMENTS)
    for one in drawn:
        confined = one.target.startswith(("table-service-", "table-api-"))
        assert (one.environment in ENVIRONMENTS) == confined
        assert str(one).split()[0] == str(one.number)
