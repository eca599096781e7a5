"""Who may use which route, held against the API's own description."""

from typing import Any

import httpx

from integration.access.conftest import ADMIN, Gate

ROLES = ("device", "viewer", "dealer", "operator", "admin")
ROUND = "01JD0000000000000000000000"
# The least role of every route; a route that is not here fails the test.
LEAST = {
    "GET /v1/tables": "viewer",
    "GET /v1/tables/{table}": "viewer",
    "GET /v1/tables/{table}/drift": "viewer",
    "POST /v1/tables/{table}/rounds": "dealer",
    "POST /v1/tables/{table}/pause": "operator",
    "POST /v1/tables/{table}/resume": "operator",
    "POST /v1/tables/{table}/visibility": "operator",
    "POST /v1/tables/{table}/broadcast": "operator",
    "GET /v1/rounds": "viewer",
    "GET /v1/rounds/{round}": "viewer",
    "GET /v1/rounds/{round}/history": "viewer",
    "POST /v1/rounds/{round}/bet-stop": "dealer",
    "POST /v1/rounds/{round}/result": "dealer",
    "POST /v1/rounds/{round}/finish": "dealer",
    "POST /v1/rounds/{round}/cancel": "dealer",
    "POST /v1/rounds/{round}/legs/{environment}/{game_code}/retry": "operator",
    "POST /v1/rounds/{round}/legs/{environment}/{game_code}/cancel": "operator",
    "POST /v1/rounds/{round}/legs/{environment}/{game_code}/skip": "operator",
    "GET /v1/deliveries": "viewer",
    "POST /v1/deliveries/recover": "operator",
    "GET /v1/events": "viewer",
    "GET /v1/services": "viewer",
    "GET /v1/config/environments": "viewer",
    "GET /v1/config/environments/{environment}": "viewer",
    "PUT /v1/config/environments/{environment}": "admin",
    "GET /v1/config/environments/{environment}/versions": "viewer",
    "GET /v1/config/environments/{environment}/versions/{version}": "viewer",
    "GET /v1/config/environments/{environment}/diff": "viewer",
    "POST /v1/config/environments/{environment}/rollback": "admin",
    "PUT /v1/config/environments/{environment}/tables/{game_code}": "admin",
    "DELETE /v1/config/environments/{environment}/tables/{game_code}": "admin",
    "POST /v1/config/import": "admin",
    "GET /v1/config/export": "viewer",
    "GET /v1/config/status": "viewer",
    "GET /v1/keys": "admin",
    "POST /v1/keys": "admin",
    "DELETE /v1/keys/{id}": "admin",
    "GET /v1/audit": "admin",
    "POST /v1/batches": "dealer",
    "GET /v1/batches/{batch}": "viewer",
    "DELETE /v1/batches/{batch}": "dealer",
    "POST /v1/batches/{batch}/cancel": "dealer",
    "GET /v1/session": "viewer",
    "POST /v1/logout": "viewer",
}
# What answers without a key, and says nothing of ours.
OPEN = {"GET /healthz", "GET /readyz", "POST /v1/login"}
PARTS = {
    "{table}": "ARO-999",
    "{round}": ROUND,
    "{environment}": "QAT",
    "{game_code}": "ARO-999",
    "{id}": ROUND,
    "{version}": "1",
    "{batch}": ROUND,
}
# A stream would have no end: this is refused behind the door.
QUERIES = {"/v1/events": "?last_event_id=x"}


async def _described(gate: Gate) -> dict[str, dict[str, Any]]:
    document = (await gate.client.get("/openapi.json")).json()
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


async def _ask(gate: Gate, route: str, headers: dict[str, str]) -> httpx.Response:
    method, template = route.split(" ", 1)
    path = template
    for part, value in PARTS.items():
        path = path.replace(part, value)
    assert "{" not in path, f"say in PARTS what {template} is asked with"
    body: dict[str, str] | None = None if method in {"GET", "DELETE"} else {}
    url = path + QUERIES.get(template, "")
    return await gate.client.request(method, url, headers=headers, json=body)


async def test_each_route_is_open_from_its_least_role_on(gate: Gate) -> None:
    described = await _described(gate)
    assert set(described) - OPEN == set(LEAST)
    rate = {"rate_per_second": 10_000, "rate_burst": 10_000}
    keys = {role: await gate.key(role, **rate) for role in ROLES}
    wrong = []
    for route, least in LEAST.items():
        for role in (None, "wrong", *ROLES):
            shown = {None: {}, "wrong": {"authorization": "Bearer pb_no"}}.get(
                role, keys.get(role or "", {})
            )
            answer = await _ask(gate, route, shown)
            code = answer.json().get("code") if answer.content else None
            if role is None:
                fine = (answer.status_code, code) == (401, "no_key")
            elif role == "wrong":
                fine = (answer.status_code, code) == (401, "wrong_key")
            elif ROLES.index(role) < ROLES.index(least):
                fine = (answer.status_code, code) == (403, "role_too_low")
            else:
                fine = answer.status_code in {200, 204, 400, 404, 422}
            if not fine:
                wrong.append((route, role, answer.status_code, code))
    assert not wrong


async def test_what_is_open_to_all_is_as_few_as_said(gate: Gate) -> None:
    for route in OPEN:
        answer = await _ask(gate, route, {})
        assert answer.status_code in {200, 422}, route


async def test_the_description_says_who_may(gate: Gate) -> None:
    document = (await gate.client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"key", "session"}
    described = await _described(gate)
    for route, least in LEAST.items():
        operation = described[route]
        assert operation["security"] == [{"key": [least]}, {"session": [least]}], route
        assert {"401", "403", "429"} <= set(operation["responses"]), route
    assert "security" not in described["POST /v1/login"]


async def test_nothing_of_the_body_is_read_before_the_key(gate: Gate) -> None:
    answer = await gate.client.post("/v1/keys", content=b"{", headers={})
    assert answer.status_code == 401
    viewer = await gate.key("viewer")
    answer = await gate.client.post("/v1/keys", content=b"{", headers=viewer)
    assert answer.status_code == 403


async def test_refusals_are_counted(gate: Gate) -> None:
    await gate.client.get("/v1/tables")
    figures = (await gate.client.get("/metrics", headers=ADMIN)).text
    assert 'pitboss_refusals_total{code="no_key",status="401"}' in figures
