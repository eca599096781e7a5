import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request, Response
from pydantic import SecretStr

from fleetkit.telemetry import ALERTS
from fleetkit.testing import eventually, serving
from integration.metrics_service.conftest import Floor, entry


class Chat:
    """A webhook that refuses the first call."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.calls = 0
        self.heard: list[dict[str, object]] = []
        self.app.post("/hook")(self.hear)

    async def hear(self, request: Request) -> Response:
        self.calls += 1
        if self.calls > 1:
            self.heard.append(await request.json())
        return Response(status_code=503 if self.calls == 1 else 204)


@pytest.fixture
async def chat() -> AsyncIterator[tuple[Chat, str]]:
    made = Chat()
    async with serving(made.app) as url:
        yield made, f"{url}/hook"


async def test_one_alert_is_raised_told_and_cleared_once(
    floor: Floor, chat: tuple[Chat, str]
) -> None:
    hook, url = chat
    told_before = await floor.bus.length(ALERTS)
    quick = {"alert_for": 1.0, "alert_clear": 1.0, "window_size": 4}
    await floor.publish([entry(response_time_ms=2000.0)] * 50)
    async with floor.running(**quick, webhook_url=SecretStr(url)) as client:

        async def state() -> str | None:
            alerts = (await client.get("/v1/alerts")).json()["alerts"]
            return alerts[0]["state"] if len(alerts) == 1 else None

        # Slow for as long as the alert is not there, then silent: the window empties by itself.
        async def raised() -> bool:
            await floor.publish([entry(response_time_ms=2000.0)] * 50)
            return await state() == "raised"

        await eventually(raised, within_s=30)

        async def cleared() -> bool:
            return await state() == "cleared"

        await eventually(cleared, within_s=60)
        await eventually(lambda: len(hook.heard) == 2, within_s=60)
        assert sorted(str(one["type"]) for one in hook.heard) == ["alert.cleared", "alert.raised"]

        async def told() -> bool:
            return await floor.bus.length(ALERTS) == told_before + 2

        await eventually(told, within_s=30)
        kinds = "SELECT json_agg(type ORDER BY id)::text FROM events WHERE type LIKE 'alert.%'"
        assert json.loads(await floor.ask(kinds)) == ["alert.raised", "alert.cleared"]
        shown = (await client.get("/v1/alerts?state=cleared&service=model-api")).json()["alerts"]
        assert shown[0]["metric"] == "p95_latency_ms"
        assert shown[0]["threshold"] == 500
        assert (await client.get("/v1/alerts?state=raised")).json() == {"alerts": []}


@pytest.mark.parametrize("bus_url", ["redis"], indirect=True)
async def test_slow_then_failing_then_well_is_one_alert_of_each(floor: Floor) -> None:
    quick = {"alert_for": 1.0, "alert_clear": 1.0, "window_size": 4}
    async with floor.running(**quick) as client:

        async def reaches(wanted: dict[str, str], **event: object) -> bool:
            await floor.publish([entry(**event)] * 50)
            alerts = (await client.get("/v1/alerts")).json()["alerts"]
            assert len(alerts) <= len(wanted)
            return {one["metric"]: one["state"] for one in alerts} == wanted

        slow, failing = {"p95_latency_ms": "raised"}, {"p95_latency_ms": "cleared"}
        await eventually(lambda: reaches(slow, response_time_ms=2000.0), within_s=60)
        failing["error_rate"] = "raised"
        await eventually(lambda: reaches(failing, status_code=503), within_s=60)
        well = {**failing, "error_rate": "cleared"}
        await eventually(lambda: reaches(well), within_s=60)
    kinds = "SELECT json_agg(type ORDER BY id)::text FROM events WHERE type LIKE 'alert.%'"
    told = json.loads(await floor.ask(kinds))
    assert sorted(told) == ["alert.cleared", "alert.cleared", "alert.raised", "alert.raised"]
