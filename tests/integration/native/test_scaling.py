from collections.abc import Callable
from typing import Any

Fleet = Any


async def test_scaling_under_load_loses_no_request(
    fleet: Fleet, loading: Callable[..., Any]
) -> None:
    targets = [(fleet.port, "/v1/x"), (fleet.inner_port, "/prd/deliveries")]
    async with loading(targets) as load:
        for wishes in (
            ("table-service=5", "gateway=3"),
            ("table-service-prd=2",),
            ("table-service=1", "gateway=1"),
            ("table-service-prd=4", "gateway=2"),
            ("table-service=2", "gateway=1"),
        ):
            said = await fleet.tell("scale", *wishes)
            assert said.code == 0, said
            enough = load.count + 200
            await load.until(lambda enough=enough: load.count >= enough)
            assert not load.failures, load.failures[:5]
    assert load.failures == []
    assert load.answered["table-service-prd-5"] > 0
    assert load.answered["gateway-3"] > 0
    assert {name for name in fleet.status() if "-prd-" in name or name.startswith("gateway")} == {
        "gateway-1",
        "table-service-prd-1",
        "table-service-prd-2",
    }


async def test_slow_answers_are_finished_when_their_replica_leaves(
    fleet: Fleet, loading: Callable[..., Any]
) -> None:
    assert (await fleet.tell("scale", "table-service-prd=3")).code == 0
    async with loading([(fleet.inner_port, "/prd/slow")], clients=4) as load:
        await load.until(lambda: len(load.answered) == 3)
        said = await fleet.tell("scale", "table-service-prd=1")
        assert said.code == 0, said
    assert load.failures == []


def test_counts_are_kept_for_the_next_start(fleet: Fleet) -> None:
    said = fleet.run("scale", "table-service-cit=2")
    assert said.out.splitlines()[-1] == "table-service-cit: 1 -> 2"
    assert fleet.run("restart").code == 0
    assert "table-service-cit-2" in fleet.ready()
    assert "table-service-prd-2" not in fleet.status()


def test_wrong_wishes_change_nothing(fleet: Fleet) -> None:
    before = fleet.status().keys()
    for wish, sentence in {
        "foo=2": "there are table-service (all of them), gateway, table-service-cit, ",
        "postgres=2": "There is no service 'postgres' to scale",
        "table-service=0": "table-service=0 is wrong; give a number from 1 to 50.",
        "table-service=abc": "table-service=abc is wrong; give a number from 1 to 50.",
        "gateway=-1": "gateway=-1 is wrong",
        "gateway=51": "gateway=51 is wrong",
        "gateway=\u0662": "is wrong",
        "gateway=": "gateway= is wrong",
        "gateway": "'gateway' is wrong; write SERVICE=N",
    }.items():
        said = fleet.run("scale", "table-service-cit=3", wish)
        assert (said.code, said.out) == (2, ""), wish
        assert sentence in said.err
        assert len(said.err.strip().splitlines()) == 1
    assert fleet.status().keys() == before
