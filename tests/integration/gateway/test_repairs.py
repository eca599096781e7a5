"""The repair of a leg is answered when that leg is settled, or says that it is not yet."""

from typing import Any

from fleetkit.testing import eventually

Studio = Any


async def cancel(studio: Studio, round_id: str, **body: object) -> Any:
    return await studio.post(f"/v1/rounds/{round_id}/legs/CIT/ARO-001/cancel", body)


async def test_a_leg_is_waited_for_whatever_the_round_does(studio: Studio) -> None:
    round_id = (await studio.start())["round"]
    answer = await cancel(studio, round_id, reason="Camera", wait_ms=30_000)
    assert answer.status_code == 200, answer.text
    prd, cit = answer.json()["legs"]
    assert (prd["state"], prd["last"]["command"]) == ("opened", "start")
    assert (cit["state"], cit["last"]["command"], cit["last"]["outcome"]) == (
        "cancelled",
        "cancel",
        "accepted",
    )


async def test_a_leg_that_is_not_settled_in_time_is_answered_as_pending(studio: Studio) -> None:
    round_id = (await studio.start())["round"]
    studio.fault("latency", "cancel", "CIT", ms=600)
    answer = await cancel(studio, round_id, wait_ms=0)
    assert answer.status_code == 202, answer.text
    assert answer.json()["legs"][1]["last"]["outcome"] == "pending"

    async def done() -> bool:
        found = (await studio.client.get(f"/v1/rounds/{round_id}")).json()
        return bool(found["legs"][1]["state"] == "cancelled")

    await eventually(done)
