import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict, SecretStr
from starlette.exceptions import HTTPException

from fleetkit import errors, problems, service


class Result(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    roulette: int
    key: SecretStr = SecretStr("none")


router = APIRouter()
RAISED: dict[str, Exception] = {
    cls.__name__: cls("A sentence.")
    for cls in (
        errors.Malformed,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.Stale,
        errors.TooLarge,
        errors.Invalid,
        errors.TooMany,
        errors.Unavailable,
    )
}
RAISED["full"] = errors.Conflict(
    "The round has another result.",
    code="other_result",
    field="body.roulette",
    extra={"round": "01JD", "status": 200, "code": "forged"},
    retry_after_s=0.2,
)
RAISED["surrogate"] = errors.NotFound("There is no table \ud800.", extra={"table": "\ud800"})
RAISED["teapot"] = HTTPException(418, "short and stout")
RAISED["bug"] = RuntimeError("postgresql://role:hidden@host/db")


@router.get("/raise/{name}")
async def fail(name: str) -> None:
    raise RAISED[name]


@router.put("/result")
async def replace() -> None: ...


@router.post("/result")
async def result(body: Result, wait_ms: Annotated[int, Query(ge=0, le=60_000)] = 0) -> Result:
    return body.model_copy(update={"roulette": body.roulette + wait_ms})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = service.build(
        name="toy",
        title="Toy",
        description="",
        lifespan=lifespan,
        routers=[router],
        checks=[],
        docs=False,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy.example") as client:
        yield client


def body_of(answer: httpx.Response) -> dict[str, object]:
    """Check what every problem has, then give it."""
    body: dict[str, object] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:pitboss:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    assert len(str(body["trace_id"])) == 32
    assert answer.headers["x-request-id"]
    problems.Problem.model_validate(body)
    return body


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("Malformed", 400, "malformed"),
        ("Unauthenticated", 401, "unauthenticated"),
        ("Forbidden", 403, "forbidden"),
        ("NotFound", 404, "not_found"),
        ("Conflict", 409, "conflict"),
        ("Stale", 412, "stale"),
        ("TooLarge", 413, "too_large"),
        ("Invalid", 422, "invalid"),
        ("TooMany", 429, "too_many"),
        ("Unavailable", 503, "unavailable"),
    ],
)
async def test_each_error_has_its_status(
    client: httpx.AsyncClient, name: str, status: int, code: str
) -> None:
    answer = await client.get(f"/raise/{name}")
    body = body_of(answer)
    assert (answer.status_code, body["code"], body["detail"]) == (status, code, "A sentence.")
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert "retry-after" not in answer.headers


async def test_code_field_extra_and_retry_after_are_passed_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/full")
    body = body_of(answer)
    assert answer.status_code == 409
    assert body["code"] == "other_result"
    assert body["field"] == "body.roulette"
    assert body["round"] == "01JD"
    assert answer.headers["retry-after"] == "1"


async def test_what_cannot_be_written_in_utf8_is_answered_all_the_same(
    client: httpx.AsyncClient,
) -> None:
    assert body_of(await client.get("/raise/surrogate"))["table"] == "?"


async def test_a_status_of_somebody_elses_keeps_to_the_form(client: httpx.AsyncClient) -> None:
    body = body_of(await client.get("/raise/teapot"))
    assert body["status"] == 418


async def test_a_bug_is_a_500_that_tells_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/raise/bug")
    body = body_of(answer)
    assert (answer.status_code, body["code"]) == (500, "internal")
    assert "hidden" not in answer.text
    assert "Traceback" not in answer.text


async def test_an_unknown_address_and_a_wrong_method(client: httpx.AsyncClient) -> None:
    assert body_of(await client.get("/nowhere"))["code"] == "not_found"
    answer = await client.get("/result")
    assert body_of(answer)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST, PUT"
    assert (await client.post("/result/", json={})).status_code == 404


async def test_wrong_values_are_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/result?wait_ms=-1", json={"roulette": "17", "unknown": 1})
    body = body_of(answer)
    assert (answer.status_code, body["code"]) == (422, "invalid")
    listed = body["errors"]
    assert isinstance(listed, list)
    assert [entry["field"] for entry in listed] == [
        "query.wait_ms",
        "body.roulette",
        "body.unknown",
    ]
    assert body["field"] == "query.wait_ms"


async def test_a_missing_body_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/result")
    assert answer.status_code == 422
    assert body_of(answer)["field"] == "body"


@pytest.mark.parametrize(
    "text", ["{", "", "{'a': 1}", '{"roulette": 1}}', "[" * 100_000, b'{"a": "\xff"}']
)
async def test_what_is_no_json_is_malformed(client: httpx.AsyncClient, text: str | bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post("/result", content=text or " ", headers=headers)
    assert answer.status_code == 400
    assert str(body_of(answer)["code"]).startswith("malformed")


async def test_input_is_not_echoed(client: httpx.AsyncClient) -> None:
    planted = "planted-" * 1000
    answer = await client.post("/result", json={"roulette": planted, "key": 7, planted: planted})
    assert answer.status_code == 422
    assert len(answer.text) < 2000
    assert planted not in answer.text


async def test_a_field_named_by_a_lone_surrogate_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/result",
        content=b'{"roulette": 1, "\\ud800": 1}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert str(body_of(answer)["field"]).startswith("body")


async def test_very_many_errors_are_cut(client: httpx.AsyncClient) -> None:
    answer = await client.post("/result", json={f"unknown{n}": n for n in range(500)})
    assert len(json.loads(answer.text)["errors"]) == problems.MOST_ERRORS
    assert "(and 500 more)" in answer.text
