from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import Counter
from starlette.responses import StreamingResponse

from fleetkit import context, service
from fleetkit.middleware import BODY_LIMIT
from fleetkit.testing import calling, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
router = APIRouter()
PLANTED = Counter("planted", "What a module counts in the default registry.")


@router.post("/size")
async def size(request: Request) -> dict[str, int]:
    return {"size": len(await request.body())}


@router.post("/parsed")
async def parsed(body: list[int]) -> int:
    return len(body)


@router.get("/ids")
async def ids() -> dict[str, str | None]:
    return {
        "request": context.request_id.get(),
        "trace": context.trace_id.get(),
        "outgoing": context.traceparent(),
    }


@router.get("/cut")
async def cut() -> StreamingResponse:
    async def stream() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("cut")

    return StreamingResponse(stream())


def build() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    return service.build(
        name="toy",
        title="Toy",
        description="",
        lifespan=lifespan,
        routers=[router],
        checks=[],
        docs=False,
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(build()) as client:
        yield client


async def chunks(count: int, length: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * length


async def test_a_body_at_the_limit_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post("/size", content=b" " * BODY_LIMIT)
    assert answer.json() == {"size": BODY_LIMIT}
    assert (await client.post("/size", content=chunks(16, 65536))).json() == {"size": BODY_LIMIT}


@pytest.mark.parametrize("path", ["/size", "/parsed"])
async def test_a_body_over_the_limit_is_too_large(client: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    for content in (b" " * (BODY_LIMIT + 1), chunks(17, 65536)):
        answer = await client.post(path, content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "too_large"
        assert answer.headers["x-request-id"]
    assert (await client.post("/parsed", json=[1, 2])).json() == 2


async def test_ids_that_came_in_are_kept(client: httpx.AsyncClient) -> None:
    headers = {"x-request-id": "req-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}
    answer = await client.get("/ids", headers=headers)
    assert answer.headers["x-request-id"] == "req-1"
    body = answer.json()
    assert (body["request"], body["trace"]) == ("req-1", TRACE)
    assert body["outgoing"].startswith(f"00-{TRACE}-")
    assert body["outgoing"].endswith("-00")
    assert "00f067aa0ba902b7" not in body["outgoing"]


@pytest.mark.parametrize("sent", ["", 'a"b', "x" * 65, "a b", "é", "-"])
async def test_an_odd_request_id_is_replaced(client: httpx.AsyncClient, sent: str) -> None:
    answer = await client.get("/ids", headers={b"x-request-id": sent.encode()})
    assert answer.headers["x-request-id"] not in {"", sent}


async def test_each_request_has_ids_of_its_own(client: httpx.AsyncClient) -> None:
    answers = [(await client.get("/ids")).json() for _ in range(3)]
    assert len({answer["request"] for answer in answers}) == 3
    assert len({answer["trace"] for answer in answers}) == 3


async def test_half_an_answer_is_cut_and_not_repaired() -> None:
    async with serving(build()) as url, httpx.AsyncClient(trust_env=False) as client:
        assert "server" not in (await client.get(f"{url}/ids")).headers
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{url}/cut")


async def test_requests_are_counted_by_route_and_probes_are_not(client: httpx.AsyncClient) -> None:
    await client.get("/ids")
    await client.get("/nowhere/secret")
    await client.get("/healthz")
    text = (await client.get("/metrics")).text
    assert 'http_requests_total{handler="/ids",method="GET",status="200"} 1.0' in text
    assert 'status="404"' in text
    assert "secret" not in text
    assert "/healthz" not in text
    assert "planted_total 0.0" in text
