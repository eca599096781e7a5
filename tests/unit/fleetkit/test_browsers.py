"""What a browser is told: which scripts a page of ours may run, and which other pages may call."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from fleetkit import service
from fleetkit.testing import calling

OURS = "https://console.example"


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


def build(*origins: str) -> FastAPI:
    return service.build(
        name="toy",
        title="Toy",
        description="Toy.",
        lifespan=nothing,
        routers=[],
        checks=[],
        docs=True,
        origins=origins,
    )


async def test_the_docs_page_runs_its_own_scripts_only() -> None:
    async with calling(build()) as client:
        page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    allowed = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe" not in allowed
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"\son\w+=", page.text)


async def ask(app: FastAPI, method: str, origin: str) -> httpx.Headers:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    async with calling(app) as client:
        return (await client.request(method, "/healthz", headers=headers)).headers


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_other_pages_may_call_only_where_they_are_named(method: str) -> None:
    told = await ask(build(OURS), method, OURS)
    assert told["access-control-allow-origin"] == OURS
    assert "access-control-allow-credentials" not in told
    assert "access-control-allow-origin" not in await ask(build(OURS), method, "https://x.example")
    assert "access-control-allow-origin" not in await ask(build(), method, OURS)
