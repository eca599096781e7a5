from typing import Any

from fleetkit.testing import eventually

Studio = Any


async def test_a_pause_of_ours_holds_until_it_is_resumed(studio: Studio) -> None:
    await studio.ask("pause", {"reason": "Shuffling", "environments": ["CIT"]})
    assert await studio.readiness() == {
        "light": "go_without",
        "without": ["CIT/ARO-001"],
        "why": ["CIT ARO-001: The table is paused: Shuffling. Resume it to go on."],
    }
    await studio.ask("pause", {"reason": "Shuffling"})
    assert (await studio.readiness())["light"] == "hold"
    await studio.ask("resume")
    assert (await studio.readiness())["light"] == "go"


async def test_a_pause_by_somebody_else_is_met_by_a_start_and_ended_by_a_resume(
    studio: Studio,
) -> None:
    studio.at_table().do("pause", reason="Camera")
    started = await studio.start()
    assert started["legs"][0]["last"]["code"] == "13007"
    readiness = await studio.readiness()
    assert readiness["light"] == "hold"
    assert "Camera" in readiness["why"][0]
    await studio.ask("resume")
    assert (await studio.readiness())["light"] == "go"


async def test_a_round_open_at_the_table_offers_the_ways_out(studio: Studio) -> None:
    studio.at_table().do("start")
    await studio.start()
    readiness = await studio.readiness()
    assert (readiness["light"], readiness["without"]) == ("hold", ["PRD/ARO-001"])
    assert "enter its result and finish it, or cancel it" in readiness["why"][0]


async def test_an_open_breaker_is_a_reason_and_redis_away_is_none(studio: Studio) -> None:
    studio.fault("status", "get", "CIT", status=503, count=100)
    studio.fault("status", "visibility", "CIT", status=503, count=100)
    await studio.ask("visibility", {"visibility": "visible"})

    async def told() -> dict[str, Any] | None:
        readiness = await studio.readiness()
        return readiness if any("not answering" in why for why in readiness["why"]) else None

    readiness = await eventually(told)
    assert readiness is not None
    assert readiness["light"] == "go_without"


async def test_what_an_earlier_round_owes_is_told(studio: Studio) -> None:
    started = await studio.start()
    studio.fault("retry_after", "deal", "CIT", value="30")
    await studio.post(f"/v1/rounds/{started['round']}/result", {"roulette": "7"})
    await studio.post(f"/v1/rounds/{started['round']}/finish", {"wait_ms": 100})
    readiness = await studio.readiness()
    assert (readiness["light"], readiness["without"]) == ("go_without", ["CIT/ARO-001"])
    await studio.start(wait_ms=100)
    again = await studio.readiness()
    assert "CIT ARO-001: an earlier round still owes its result (pending)." in again["why"]
