"""One native fleet for all tests here; each test takes tables of its own from its floor."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from fleet.console import Console, opened_console
from fleet.floor import Floor, furnish
from fleet.rig import Fleet
from fleet.tableapi import TableApi


@pytest.fixture(scope="package")
def fleet() -> Iterator[Fleet]:
    # Not pytest's own folder: that one is closed to the account Postgres runs under.
    folder = Path(tempfile.mkdtemp(prefix="pitboss-fleet-"))
    folder.chmod(0o755)
    running = Fleet(folder / "a state folder")
    try:
        said = running.run("up")
        assert said.code == 0, said
        yield running
    finally:
        said = running.run("down")
        surprises = [line for line in running.log_lines("") if "error.stack_trace" in line]
        shutil.rmtree(folder, ignore_errors=True)
    assert said.code == 0, said
    assert not surprises, surprises


@pytest.fixture(scope="package")
def tables(fleet: Fleet) -> TableApi:
    """Give the Table APIs of all environments, the floor's tables configured."""
    made = TableApi(next(p for p in fleet.processes().values() if p.service == "simulator").port)
    headers = {"authorization": f"Bearer {fleet.key}"}
    with httpx.Client(base_url=fleet.url, headers=headers, trust_env=False, timeout=60) as client:
        furnish(client, made)
    return made


@pytest.fixture(scope="package")
def floor(tables: TableApi) -> Floor:  # noqa: ARG001  # the tables stand before they are taken
    return Floor()


@pytest.fixture
def table(floor: Floor) -> str:
    """Give a speed roulette table, mirrored once in each environment."""
    return floor.take()


@pytest.fixture
async def console(fleet: Fleet, tables: TableApi) -> AsyncIterator[Console]:  # noqa: ARG001
    async with opened_console(fleet.url, fleet.key) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _healed(tables: TableApi) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    tables.heal()
