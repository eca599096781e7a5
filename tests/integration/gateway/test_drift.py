from typing import Any

import httpx

from gateway.adapters.inner import Inner
from gateway.adapters.looks import Looks
from ledger.domain.config import Environment, Mirror, Target

Studio = Any


async def drift(studio: Studio) -> dict[str, dict[str, Any]]:
    answer = await studio.client.get("/v1/tables/ARO-001/drift")
    assert answer.status_code == httpx.codes.OK, answer.text
    return {target["environment"]: target for target in answer.json()["targets"]}


async def mend(studio: Studio, repair: str) -> httpx.Response:
    """Make the call that was offered."""
    method, path, *body = repair.split(" ", 2)
    assert method == "POST"
    answer: httpx.Response = await studio.client.post(
        path,
        content=body[0] if body else '{"reason": "As drift offers."}',
        headers={"content-type": "application/json"},
    )
    return answer


async def test_a_table_that_agrees_has_no_drift(studio: Studio) -> None:
    assert [one["drift"] for one in (await drift(studio)).values()] == [None, None]
    started = await studio.start()
    found = await drift(studio)
    assert list(found) == ["PRD", "CIT"]
    prd, leg = found["PRD"], started["legs"][0]
    assert (prd["drift"], prd["repair"]) == (None, None)
    assert prd["reports"] == {
        "round_id": leg["external_round_id"],
        "status": "opened",
        "result": None,
        "paused": None,
    }
    assert prd["ledger"]["round"] == started["round"]
    assert (prd["ledger"]["last"], prd["ledger"]["outcome"]) == ("start", "accepted")


async def test_a_refused_result_is_found_and_mended_as_offered(studio: Studio) -> None:
    started = await studio.start()
    studio.fault("status", "deal", status=400, code=13011)
    await studio.post(f"/v1/rounds/{started['round']}/result", {"roulette": "7"})
    found = await drift(studio)
    assert (found["PRD"]["drift"], found["CIT"]["drift"]) == ("result_missing", None)
    repair = found["PRD"]["repair"]
    assert repair == f"POST /v1/rounds/{started['round']}/legs/PRD/ARO-001/retry"
    mended = await mend(studio, repair)
    assert mended.status_code == httpx.codes.OK, mended.text
    assert (await drift(studio))["PRD"]["drift"] is None
    assert studio.at_table().get().round["result"]["roulette"] == "7"


async def test_a_pause_from_elsewhere_is_found_and_mended_as_offered(studio: Studio) -> None:
    studio.at_table("CIT").do("pause", reason="Camera")
    found = (await drift(studio))["CIT"]
    assert (found["drift"], found["reports"]["paused"]) == ("paused_elsewhere", "Camera")
    mended = await mend(studio, found["repair"])
    assert [leg["environment"] for leg in mended.json()["legs"]] == ["CIT"]
    assert (await drift(studio))["CIT"]["drift"] is None


async def test_a_round_that_is_none_of_ours_is_named(studio: Studio) -> None:
    studio.at_table().do("start")
    found = (await drift(studio))["PRD"]
    assert (found["drift"], found["repair"]) == ("foreign_round", None)
    await studio.start()
    found = (await drift(studio))["PRD"]
    assert found["drift"] in ("previous_open", "started_unseen")


async def test_a_target_that_hangs_or_has_no_pool_costs_the_others_nothing(
    studio: Studio,
) -> None:
    studio.fault("hang", "get", "CIT", count=5)
    found = await drift(studio)
    assert (found["CIT"]["drift"], found["CIT"]["reports"]) == ("not_seen", None)
    assert found["PRD"]["drift"] is None
    studio.door.pools.pop("cit")
    found = await drift(studio)
    assert "No replica of CIT answered." in found["CIT"]["sentence"]
    assert found["PRD"]["drift"] is None


async def test_looking_changes_nothing(studio: Studio) -> None:
    await drift(studio)
    for table in ("deliveries", "attempts", "commands"):
        assert await studio.rows(f"SELECT FROM {table}") == []
    assert await studio.rows("SELECT FROM events WHERE table_id IS NOT NULL") == []
    assert (await studio.client.get("/v1/tables/NONE/drift")).status_code == httpx.codes.NOT_FOUND


async def test_the_inner_door_is_locked(studio: Studio) -> None:
    document = Environment(environment="PRD", base_url="http://table-api.prd.example", tables=())
    mirror = Mirror(
        environment=document, version=1, target=Target(id="ARO-001", type="speed_roulette")
    )
    looks = Looks(Inner(studio.inner_url, key="wrong"))
    (seen,) = await looks.at("PRD", [(mirror, "ARO-001")])
    assert seen.table is None
