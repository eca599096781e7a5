"""Logs through the edge: a device writes, people find, and a round leaves its trace."""

import secrets

import httpx

from fleet.console import Console
from fleet.rig import Fleet
from fleetkit.testing import eventually


async def test_a_device_writes_and_an_operator_finds(fleet: Fleet) -> None:
    name = f"wheel-{secrets.token_hex(4)}"
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx.AsyncClient(
        base_url=fleet.url, headers=headers, trust_env=False, timeout=30
    ) as edge:
        made = (await edge.post("/v1/keys", json={"name": name, "role": "device"})).json()
        device = {"authorization": f"Bearer {made['key']}"}
        line = {"device_id": name, "level": "error", "message": "The ball left the wheel."}
        sent = await edge.post("/logs", json=line, headers=device)
        assert sent.status_code == 202, sent.text
        for path in ("/logs", "/logs/tail", "/devices", "/v1/tables"):
            assert (await edge.get(path, headers=device)).status_code == 403

        async def found() -> bool:
            answer = await edge.get("/logs", params={"device_id": name, "q": "ball"})
            return [one["id"] for one in answer.json()["logs"]] == [sent.json()["id"]]

        await eventually(found, within_s=30)
        assert (await edge.get("/logs", headers={"authorization": ""})).status_code == 401


async def test_one_search_shows_a_commands_way(fleet: Fleet, console: Console, table: str) -> None:
    trace = secrets.token_hex(16)
    headers = {
        "authorization": f"Bearer {fleet.key}",
        "traceparent": f"00-{trace}-{secrets.token_hex(8)}-01",
    }
    async with httpx.AsyncClient(
        base_url=fleet.url, headers=headers, trust_env=False, timeout=30
    ) as edge:
        started = await edge.post(
            f"/v1/tables/{table}/rounds", json={"wait_ms": 30_000}, timeout=60
        )
        legs = {one["environment"] for one in started.json()["legs"]}
        await console.settled(started.json()["round"], within_s=60)

        async def way() -> bool:
            asked = {"trace_id": trace, "order": "oldest", "limit": "1000"}
            lines = (await edge.get("/logs", params=asked)).json()["logs"]
            services = {one["service"] for one in lines}
            starts = {
                one["metadata"]["environment"]
                for one in lines
                if one["message"] == "attempt_made" and one["metadata"]["operation"] == "start"
            }
            return services == {"nginx", "gateway", "table-service"} and starts == legs

        await eventually(way, within_s=60)
