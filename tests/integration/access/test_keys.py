"""Keys: made, limited, revoked on every gateway at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from fleetkit.testing import eventually, free_port
from integration.access.conftest import ADMIN, ADMIN_KEY, Gate, as_key


async def test_a_key_is_shown_once_and_kept_as_a_hash(gate: Gate) -> None:
    made = await gate.made("dealer", tables=["ARO-001"])
    secret = made["key"]
    body, headers = {"name": "kept", "role": "viewer"}, {**ADMIN, "idempotency-key": "once"}
    kept = (await gate.client.post("/v1/keys", json=body, headers=headers)).json()
    assert secret.startswith(f"pb_{made['id']}_")
    assert len(secret.split("_", 2)[2]) >= 43
    listed = (await gate.client.get("/v1/keys", headers=ADMIN)).json()["keys"]
    assert [one["id"] for one in listed] == [made["id"], kept["id"]]
    assert "key" not in listed[0]
    for table in ("keys", "audit", "logins", "idempotency"):
        rows = await gate.conn.fetch(f"SELECT t::text FROM {table} t")  # noqa: S608
        for one in (secret, kept["key"]):
            assert not [row for row in rows if one.split("_", 2)[2] in row[0]]


async def test_a_key_works_on_another_gateway_at_once(gate: Gate) -> None:
    other = await gate.another()
    headers = await gate.key("viewer")
    assert (await other.get("/v1/tables", headers=headers)).status_code == 200


async def test_last_use_is_noted(gate: Gate) -> None:
    made = await gate.made("viewer")
    assert made["last_used_at"] is None
    await gate.client.get("/v1/tables", headers=as_key(made["key"]))

    async def used() -> bool:
        [listed] = (await gate.client.get("/v1/keys", headers=ADMIN)).json()["keys"]
        return listed["last_used_at"] is not None

    await eventually(used, within_s=30)


async def test_a_name_means_one_key(gate: Gate) -> None:
    made = await gate.made("viewer")
    body = {"name": made["name"], "role": "viewer"}
    again = await gate.client.post("/v1/keys", json=body, headers=ADMIN)
    assert (again.status_code, again.json()["code"]) == (409, "key_name_taken")
    await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)
    again = await gate.client.post("/v1/keys", json=body, headers=ADMIN)
    assert again.status_code == 201


async def test_a_key_that_can_not_be_is_refused_with_the_field(gate: Gate) -> None:
    for field, body in {
        "body.name": {"name": "admin", "role": "viewer"},
        "body.role": {"name": "x", "role": "king"},
        "body.tables": {"name": "x", "role": "dealer", "tables": []},
        "body.expires_at": {"name": "x", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"},
        "body.rate_burst": {"name": "x", "role": "viewer", "rate_per_second": 5},
    }.items():
        answer = await gate.client.post("/v1/keys", json=body, headers=ADMIN)
        assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_key_ends_in_time(gate: Gate) -> None:
    made = await gate.made("viewer", expires_at="2099-01-01T00:00:00Z")
    headers = as_key(made["key"])
    assert (await gate.client.get("/v1/session", headers=headers)).status_code == 200
    await gate.conn.execute("UPDATE keys SET expires_at = now() - interval '1 second'")

    async def over() -> bool:
        return (await gate.client.get("/v1/session", headers=headers)).status_code == 401

    await eventually(over)


class _Stream:
    """Requests one after the other, as long as they are answered."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.answered = 0
        self._client = client
        self._headers = headers

    async def run(self) -> None:
        while (await self._client.get("/v1/session", headers=self._headers)).status_code == 200:
            self.answered += 1
            # In this process nothing else makes it wait for the others.
            await asyncio.sleep(0)


async def test_a_revoked_key_is_refused_in_the_middle_of_its_requests(gate: Gate) -> None:
    clients = [gate.client, await gate.another()]
    made = await gate.made("viewer", rate_per_second=100_000, rate_burst=100_000)
    headers = as_key(made["key"])
    streams = [_Stream(client, headers) for client in clients]
    running = [asyncio.create_task(one.run()) for one in streams]
    await eventually(lambda: all(one.answered > 3 for one in streams))
    revoked = await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"] is not None
    # Whoever asks after the answer is refused, on the other gateway as well.
    for client in clients:
        answer = await client.get("/v1/session", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key")
    await asyncio.wait_for(asyncio.gather(*running), 30)
    again = await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)
    assert again.json() == revoked.json()


async def test_a_revoked_key_is_refused_without_redis_too(
    make_gate: Callable[[str], Any],
) -> None:
    gate = await make_gate(f"redis://127.0.0.1:{free_port()}/0")
    other = await gate.another()
    made = await gate.made("viewer")
    headers = as_key(made["key"])
    assert (await other.get("/v1/session", headers=headers)).status_code == 200
    await gate.client.delete(f"/v1/keys/{made['id']}", headers=ADMIN)

    async def over() -> bool:
        return bool((await other.get("/v1/session", headers=headers)).status_code == 401)

    await eventually(over)


async def test_an_unknown_key_is_not_revoked(gate: Gate) -> None:
    answer = await gate.client.delete("/v1/keys/01JD0000000000000000000000", headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_key")


async def test_an_admin_with_limits_gives_no_keys(gate: Gate) -> None:
    headers = await gate.key("admin", environments=["CIT"])
    for method, path in (("GET", "/v1/keys"), ("GET", "/v1/audit")):
        answer = await gate.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "key_is_limited")


async def test_a_key_of_another_table_is_refused(gate: Gate) -> None:
    await gate.configure()
    theirs = await gate.start("ARO-002")
    headers = await gate.key("dealer", tables=["ARO-001"])
    for method, path in (
        ("POST", "/v1/tables/ARO-002/rounds"),
        ("GET", "/v1/tables/ARO-002"),
        ("GET", f"/v1/rounds/{theirs}"),
        ("GET", f"/v1/rounds/{theirs}/history"),
        ("POST", f"/v1/rounds/{theirs}/cancel"),
    ):
        answer = await gate.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "table_not_allowed"), path
    mine = await gate.client.post("/v1/tables/ARO-001/rounds", json={"wait_ms": 0}, headers=headers)
    assert mine.status_code == 202
    rounds = (await gate.client.get("/v1/rounds", headers=headers)).json()["rounds"]
    assert [one["table"] for one in rounds] == ["ARO-001"]
    deliveries = (await gate.client.get("/v1/deliveries", headers=headers)).json()["deliveries"]
    assert {one["table"] for one in deliveries} == {"ARO-001"}
    tables = (await gate.client.get("/v1/tables", headers=headers)).json()["tables"]
    assert [one["table"] for one in tables] == ["ARO-001"]


async def test_a_key_of_one_environment_starts_no_half_of_a_round(gate: Gate) -> None:
    await gate.configure()
    headers = await gate.key("dealer", environments=["CIT"])

    async def ask(path: str, **body: object) -> tuple[int, str | None]:
        body["wait_ms"] = 0
        answer = await gate.client.post(path, json=body, headers=headers)
        return answer.status_code, answer.json().get("code")

    start = "/v1/tables/ARO-001/rounds"
    assert await ask(start) == (403, "environment_not_allowed")
    assert await ask(start, environments=["CIT", "PRD"]) == (403, "environment_not_allowed")
    assert await ask("/v1/tables/ARO-002/rounds") == (403, "environment_not_allowed")
    assert await gate.conn.fetchval("SELECT count(*) FROM rounds") == 0
    assert await ask(start, environments=["CIT"]) == (202, None)


async def test_a_key_of_one_environment_sees_its_part_and_changes_no_other(gate: Gate) -> None:
    await gate.configure()
    whole = await gate.start("ARO-001")
    beyond = await gate.start("ARO-002")
    headers = await gate.key("operator", environments=["CIT"])
    get = gate.client.get
    seen = (await get(f"/v1/rounds/{whole}", headers=headers)).json()
    assert [leg["environment"] for leg in seen["legs"]] == ["CIT"]
    listed = (await get("/v1/rounds", headers=headers)).json()["rounds"]
    assert [(one["round"], len(one["legs"])) for one in listed] == [(whole, 1)]
    [table] = (await get("/v1/tables", headers=headers)).json()["tables"]
    assert [target["environment"] for target in table["targets"]] == ["CIT"]
    deliveries = (await get("/v1/deliveries", headers=headers)).json()["deliveries"]
    assert {one["environment"] for one in deliveries} == {"CIT"}
    for method, path in (
        ("GET", f"/v1/rounds/{beyond}"),
        ("GET", f"/v1/rounds/{whole}/history"),
        ("POST", f"/v1/rounds/{whole}/cancel"),
        ("POST", "/v1/tables/ARO-001/resume"),
        ("POST", f"/v1/rounds/{whole}/legs/PRD/ARO-001/cancel"),
        ("GET", "/v1/config/environments/PRD"),
    ):
        answer = await gate.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "environment_not_allowed"), path


async def test_a_command_records_the_name_of_its_key(gate: Gate) -> None:
    await gate.configure()
    made = await gate.made("dealer")
    body = {"wait_ms": 0}
    headers = {**as_key(made["key"]), "idempotency-key": "once"}
    first = await gate.client.post("/v1/tables/ARO-001/rounds", json=body, headers=headers)
    assert first.status_code == 202
    actors = await gate.conn.fetch("SELECT actor FROM commands")
    assert [row[0] for row in actors] == [made["name"]]
    # Another holder's Idempotency-Key is another one.
    other = {**await gate.key("dealer"), "idempotency-key": "once"}
    second = await gate.client.post("/v1/tables/ARO-001/rounds", json=body, headers=other)
    assert (second.status_code, second.json()["code"]) == (409, "round_open")


async def test_the_admin_key_of_the_settings_is_always_there(gate: Gate) -> None:
    answer = await gate.client.get("/v1/session", headers=as_key(ADMIN_KEY))
    assert answer.json() == {
        "name": "admin",
        "role": "admin",
        "tables": None,
        "environments": None,
        "csrf_token": None,
        "expires_at": None,
    }
