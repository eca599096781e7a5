"""The edge against those who mean no good: what gets through it, and what it says to the rest."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleetkit.testing import eventually
from integration.nginx.doors import Doors, echo, opened, serving
from native.edge import Edge

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /v1/x HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked first": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "the same twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 0, 40\r\n\r\n",
    "a signed length": POST + b"Content-Length: +0\r\n\r\n",
    "a length in hex": POST + b"Content-Length: 0x0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and more": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an odd coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a tab in the coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded header": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a chunk of no number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk past counting": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n\r\n",
    "a chunk too short": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "an old version": b"POST /v1/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no such version": b"POST /v1/x HTTP/3.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "a bare NUL": POST + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a header without a name": POST + b": x\r\nContent-Length: 0\r\n\r\n",
    "two hosts": b"POST /v1/x HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n",
}


async def talk(port: int, sent: bytes) -> bytes:
    """Send it all and read until the other side has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            while part := await reader.read(65_536):
                said += part
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return said


@pytest.fixture
async def reached() -> list[str]:
    return []


@pytest.fixture
async def doors(tmp_path: Path, reached: list[str]) -> AsyncIterator[Doors]:
    async def take(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        reached.append(request["path"])
        await echo(request, writer)

    async with serving(take) as port, opened(tmp_path, {"gateway": [port]}) as opened_doors:
        yield opened_doors


async def test_no_request_hides_in_another(doors: Doors, reached: list[str]) -> None:
    at = doors.server.edge_port
    said = await asyncio.gather(*(talk(at, sent + HIDDEN) for sent in SMUGGLED.values()))
    for name, answer in zip(SMUGGLED, said, strict=True):
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]
        # Refused whole, and nothing after it is read; or understood, and then so is the next one.
        refused = len(statuses) == 1 and 400 <= statuses[0] < 500
        assert refused or (statuses and max(statuses) < 400), (name, answer)
    understood = sum(b"/smuggled" in answer for answer in said)
    assert reached.count("/smuggled") == understood
    assert understood < len(SMUGGLED) / 2
    for name in ("both lengths", "chunked first", "two lengths", "a list of lengths", "two hosts"):
        assert b" 400 " in said[list(SMUGGLED).index(name)], name


async def test_what_a_browser_is_told(tmp_path: Path) -> None:
    page = "default-src 'self'"

    async def answer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        own = f"Content-Security-Policy: {page}\r\n" if request["path"] == "/docs" else ""
        writer.write(f"HTTP/1.1 200 OK\r\n{own}Content-Length: 0\r\n\r\n".encode())

    async with serving(answer) as port, opened(tmp_path, {"gateway": [port]}) as doors:
        for path in ("/v1/x", "/metrics", "/malformed"):
            told = (await doors.edge.get(path)).headers
            assert {name: told[name] for name in HEADERS} == HEADERS
            assert "strict-transport-security" not in told
            assert not re.search(r"\d", told["server"])
        told = (await doors.edge.get("/docs")).headers
        assert told.get_list("content-security-policy") == [page]


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "address_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 65_536, 431, "headers_too_large"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: %s\r\n" % (b"a" * 9_000) * 20,
            431,
            "headers_too_large",
        ),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method_not_allowed"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_request"),
        (b"GET /v1/..%2fmetrics" + CLOSING, 404, "not_found"),
        (b"GET //metrics" + CLOSING, 404, "not_found"),
        (b"GET /%6detrics" + CLOSING, 404, "not_found"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400, "malformed_request"),
    ],
)
async def test_what_is_refused_at_the_edge_is_a_problem(
    doors: Doors, reached: list[str], sent: bytes, status: int, code: str
) -> None:
    head, _, body = (await talk(doors.server.edge_port, sent)).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (status, code), head
    assert b"content-type: application/problem+json" in head.lower()
    assert reached == []


async def test_many_requests_from_one_address_are_slowed(tmp_path: Path) -> None:
    async with (
        serving() as port,
        opened(tmp_path, {"gateway": [port]}, Edge(rate=1)) as doors,
    ):
        answers = await asyncio.gather(*(doors.edge.get("/v1/x") for _ in range(12)))
    refused = [answer for answer in answers if answer.status_code == httpx.codes.TOO_MANY_REQUESTS]
    assert 0 < len(refused) < len(answers)
    for answer in refused:
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "too_many_requests"
        assert "1 requests per second" in answer.json()["detail"]


async def test_slow_clients_are_hung_up_on_and_cost_the_others_nothing(
    doors: Doors, reached: list[str]
) -> None:
    slow = {
        "silent": b"",
        "half a header": b"GET /v1/slow HTTP/1.1\r\nHost: x\r\nX-A: ",
        "half a body": b"POST /v1/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    }

    async def hang(sent: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", doors.server.edge_port)
        writer.write(sent)
        try:
            async with asyncio.timeout(100):
                while await reader.read(1000):
                    pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    # One that says nothing at all is kept from the workers by the kernel, and is not waited for.
    hanging = [asyncio.create_task(hang(sent)) for sent in slow.values() if sent for _ in range(20)]
    answered = 0
    while not all(task.done() for task in hanging):
        assert (await doors.edge.get("/v1/quick")).status_code == httpx.codes.OK
        answered += 1
        await asyncio.wait(hanging, timeout=0.25)
    await asyncio.gather(*hanging)
    assert answered
    assert set(reached) == {"/v1/quick"}
    await eventually(lambda: '"http.response.status_code":"408"' in read_log(doors))


def read_log(doors: Doors) -> str:
    return doors.server.access_log.read_text()
