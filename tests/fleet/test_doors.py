"""The edge itself: keys, sizes, and what is no HTTP at all."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from fleet.console import Console, Problem
from fleet.rig import Fleet
from fleet.tableapi import TableApi

MIB = 1024 * 1024
OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json"}
# Answers without a key, as one is shown inside.
ENTRANCE = {"/v1/login"}


async def test_no_route_answers_without_the_right_key(
    fleet: Fleet, console: Console, tables: TableApi
) -> None:
    document = (await console.client.get("/openapi.json")).json()
    routes = [
        (method.upper(), re.sub(r"\{[^}]*\}", "01JD0000000000000000000000", path))
        for path, methods in document["paths"].items()
        for method in methods
        if path not in OPEN | ENTRANCE
    ]
    assert len(routes) >= 12
    inner = fleet.secrets["PITBOSS_INNER_KEY"]
    wrong: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {fleet.key}x"},
        {"authorization": f"Basic {fleet.key}"},
        {"authorization": fleet.key},
        {"authorization": f"Bearer {inner}"},
        {"authorization": "Bearer \u9470"},
        {"cookie": f"key={fleet.key}"},
    ]
    effects = tables.all_effects()
    async with httpx.AsyncClient(base_url=fleet.url, trust_env=False, timeout=30) as client:
        for method, path in routes:
            for headers in wrong:
                answer = await client.request(
                    method, path, headers=httpx.Headers(headers, encoding="utf-8"), content=b"{"
                )
                assert answer.status_code == 401, (method, path, headers, answer.content)
                problem = Problem.model_validate_json(answer.content)
                assert problem.code in ("no_key", "wrong_key")
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.headers["x-request-id"]
                assert fleet.key not in answer.text
            in_query = await client.request(method, path, params={"key": fleet.key})
            assert in_query.status_code == 401
        for path in OPEN:
            assert (await client.get(path)).status_code == 200
    assert tables.all_effects() == effects


@pytest.mark.parametrize("way", ["announced", "chunked", "keyed"])
async def test_a_body_over_1_mib_is_refused(
    console: Console, tables: TableApi, table: str, way: str
) -> None:
    body = json.dumps({"roulette": "1" * MIB}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 65_536):
            yield body[at : at + 65_536]

    headers = {"content-type": "application/json"}
    if way == "keyed":
        headers["idempotency-key"] = "large"
    content = pieces() if way == "chunked" else body
    url = f"/v1/tables/{table}/rounds"
    answer = await console.client.post(url, content=content, headers=headers)
    assert answer.status_code == 413
    assert Problem.model_validate_json(answer.content).status == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert tables.effects(table) == []
    assert await console.rounds(table=table) == []


async def test_a_body_just_below_1_mib_is_read(console: Console, table: str) -> None:
    padding = b" " * (MIB - 2)
    headers = {"content-type": "application/json"}
    url = f"/v1/tables/{table}/rounds"
    answer = await console.client.post(url, content=padding + b"{}", headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/rounds/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/rounds HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /v1/rounds HTTP/1.1\r\n\r\n",
        b"GET /v1/\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        # nginx lets it through; the process behind does not.
        b"GET /v1/rounds HTTP/1.1\r\nHost: x\r\nX-Odd: \x7f\r\n\r\n",
        b"POST /v1/rounds HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/rounds HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=lambda sent: sent[:60].decode("latin-1"),
)
async def test_what_is_malformed_below_json_is_a_problem_too(fleet: Fleet, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", fleet.port)
    try:
        writer.write(sent)
        await writer.drain()
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(re.findall(r"content-length: (\d+)", head)[0])
            body = await reader.readexactly(length)
    finally:
        writer.close()
    assert head.startswith("http/1.1 400 "), (head, body)
    assert "content-type: application/problem+json" in head
    assert "x-request-id: " in head
    assert Problem.model_validate_json(body).status == 400


async def test_the_inner_door_is_closed_to_the_public_key(fleet: Fleet, table: str) -> None:
    with socket.create_connection(("127.0.0.1", fleet.inner_port)):
        pass
    url = f"http://127.0.0.1:{fleet.inner_port}/prd/deliveries"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for headers in ({}, {"authorization": f"Bearer {fleet.key}"}):
            answer = await client.post(url, json=[], headers=headers)
            assert answer.status_code == 401
    async with httpx.AsyncClient(base_url=fleet.url, trust_env=False, timeout=30) as client:
        for path in ("/prd/deliveries", "/deliveries", "/metrics"):
            headers = {"authorization": f"Bearer {fleet.key}"}
            assert (await client.post(path, json=[], headers=headers)).status_code == 404
    assert table


async def test_ids_that_come_with_a_request_go_with_its_answer(console: Console) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {
        "x-request-id": "console-7.round-12",
        "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
    }
    answer = await console.ask("GET", "/v1/rounds/01JD0000000000000000000000", headers=headers)
    assert answer.headers["x-request-id"] == "console-7.round-12"
    assert answer.problem.trace_id == trace
    forged = {"x-request-id": 'a" injected', "traceparent": "00-0-0-00"}
    answer = await console.ask("GET", "/v1/rounds/01JD0000000000000000000000", headers=forged)
    assert re.fullmatch(r"[A-Za-z0-9._:-]{16,64}", answer.headers["x-request-id"])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.problem.trace_id)
