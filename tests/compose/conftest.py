"""One Compose fleet for all tests here, on an engine that is stopped with them."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from compose import engine as engines
from compose.engine import Engine
from fleet.console import Console, opened_console
from fleet.floor import Floor
from fleet.rig import ROOT, Fleet
from fleet.tableapi import TableApi

from compose.floor import furnish  # isort: skip

PROJECT = "pitboss-test"


@pytest.fixture(scope="package")
def engine() -> Iterator[Engine]:
    if reason := engines.why_not():
        pytest.skip(f"the Compose fleet is not tested: {reason}")
    with engines.running() as running:
        yield running


@pytest.fixture(scope="package")
def fleet(engine: Engine) -> Iterator[Fleet]:
    engine.clear(PROJECT)
    folder = Path(tempfile.mkdtemp(prefix="pitboss-compose-"))
    files = [ROOT / "docker-compose.yml"]
    if engine.has_standins:
        files.append(ROOT / "tests" / "compose" / "override.yml")
    settings = {
        **engine.environment,
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": ":".join(map(str, files)),
        "PITBOSS_EDGE_BIND": "127.0.0.1",
        "PITBOSS_REPLICAS": "1",
    }
    running = Fleet(folder / "a state folder", settings=settings, mode="docker", seconds=900.0)
    try:
        said = running.run("up", "--simulator")
        assert said.code == 0, said
        yield running
        said = running.run("down")
        assert said.code == 0, said
    finally:
        engine.clear(PROJECT)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def tables(fleet: Fleet) -> TableApi:
    made = TableApi(next(p for p in fleet.processes().values() if p.service == "simulator").port)
    headers = {"authorization": f"Bearer {fleet.key}"}
    with httpx.Client(base_url=fleet.url, headers=headers, trust_env=False) as client:
        furnish(client)
    return made


@pytest.fixture(scope="package")
def floor(tables: TableApi) -> Floor:  # noqa: ARG001  # the tables stand before they are taken
    return Floor()


@pytest.fixture
async def console(fleet: Fleet, tables: TableApi) -> AsyncIterator[Console]:  # noqa: ARG001
    async with opened_console(fleet.url, fleet.key) as opened:
        yield opened
