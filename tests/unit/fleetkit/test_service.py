import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.datastructures import State

from fleetkit import errors, health, migrations, problems, service
from fleetkit.testing import calling


class Note(BaseModel):
    text: str


router = APIRouter()


@router.post("/notes", responses=problems.responses(401, 409))
async def note(body: Note) -> Note:
    return body


@router.get("/shaped")
async def shaped() -> service.JsonAnswer:
    return service.JsonAnswer({"sicBo": [1, 2, 3]})


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    yield {"planted": 7}


def build(*checks: health.Check, docs: bool = True) -> FastAPI:
    return service.build(
        name="toy",
        title="Toy",
        description="For tests.",
        lifespan=lifespan,
        routers=[router],
        checks=checks,
        docs=docs,
    )


async def passing(state: State) -> None:
    assert state.planted == 7


def failing(error: Exception) -> Callable[[State], Awaitable[None]]:
    async def probe(_state: State) -> None:
        raise error

    return probe


async def test_the_documentation_needs_no_internet() -> None:
    async with calling(build()) as client:
        page = (await client.get("/docs")).text
        assert not re.search(r"(https?:)?//[a-z]", page)
        assets = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert len(assets) == 3
        for asset in assets:
            answer = await client.get(asset)
            assert answer.status_code == 200
            assert len(answer.content) > 1000
        assert (await client.get("/redoc")).status_code == 404


async def test_the_document_tells_of_problems_and_not_of_fastapis_own() -> None:
    async with calling(build()) as client:
        document = (await client.get("/openapi.json")).json()
        assert (await client.get("/openapi.json")).json() == document
    assert document["openapi"].startswith("3.1")
    answers = document["paths"]["/notes"]["post"]["responses"]
    assert set(answers) == {"200", "401", "409", "422"}
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for status in ("401", "409", "422"):
        assert answers[status]["content"] == {"application/problem+json": schema}
    assert {"Note", "Problem", "FieldError"} <= set(document["components"]["schemas"])
    assert "ValidationError" not in str(document)
    assert "/metrics" not in document["paths"]


async def test_a_service_without_documentation_has_none() -> None:
    async with calling(build(docs=False)) as client:
        for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == 404


async def test_models_and_shaped_answers_are_json() -> None:
    async with calling(build()) as client:
        assert (await client.post("/notes", json={"text": "é"})).json() == {"text": "é"}
        assert (await client.get("/shaped")).json() == {"sicBo": [1, 2, 3]}


async def ready(client: httpx.AsyncClient) -> tuple[int, dict[str, Any]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def test_ready_when_all_checks_pass() -> None:
    async with calling(build(health.Check("postgres", passing))) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        assert await ready(client) == (
            200,
            {"status": "ready", "in_flight": 0, "checks": {"postgres": {"ok": True}}},
        )


async def test_reasons_are_told_but_no_secrets() -> None:
    async def hang(_state: State) -> None:
        await asyncio.sleep(60)

    async def deny(_state: State) -> bool:
        return False

    app = build(
        health.Check("ours", failing(errors.Unavailable("Nobody is there."))),
        health.Check("bug", failing(RuntimeError("postgresql://role:hidden@host"))),
        health.Check("slow", hang),
        health.Check("no", deny),
        health.Check("fine", passing),
    )
    async with calling(app) as client:
        status, body = await ready(client)
    assert (status, body["status"]) == (503, "unready")
    assert body["checks"] == {
        "ours": {"ok": False, "reason": "Nobody is there."},
        "bug": {"ok": False, "reason": "It failed with RuntimeError."},
        "slow": {"ok": False, "reason": "No answer within 1 s."},
        "no": {"ok": False, "reason": "It does not answer."},
        "fine": {"ok": True},
    }


async def test_a_check_that_is_not_degrading_is_only_shown() -> None:
    broken = failing(errors.Unavailable("Away."))
    async with calling(build(health.Check("redis", broken, degrading=False))) as client:
        assert await ready(client) == (
            200,
            {
                "status": "ready",
                "in_flight": 0,
                "checks": {"redis": {"ok": False, "reason": "Away."}},
            },
        )


async def test_a_draining_service_is_not_ready() -> None:
    app = build(health.Check("postgres", passing))
    async with calling(app) as client:
        app.state.readiness.draining = True
        status, body = await ready(client)
        assert (status, body["status"]) == (503, "draining")
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["0002_b.sql"], "0001 is missing"),
        (["0001_a.sql", "0003_c.sql"], "0002 is missing"),
        (["0001_a.sql", "0001_b.sql"], "0002 is missing or doubled"),
        (["0001_a.sql", "1_b.sql"], "1_b.sql is not named"),
        (["0001_A.sql"], "is not named"),
    ],
)
def test_a_folder_with_gaps_or_stray_names_is_refused(
    tmp_path: Path, names: list[str], sentence: str
) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1;")
    with pytest.raises(migrations.MigrationError, match=sentence):
        migrations.read(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(migrations.MigrationError, match="no folder"):
        migrations.read(tmp_path / "none")
