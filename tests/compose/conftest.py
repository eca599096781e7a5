"""One Compose fleet for the tests of a file, on an engine that is stopped with them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from compose import engine as engines
from compose.engine import Engine
from fleet.console import Console, opened_console
from fleet.floor import Floor
from fleet.rig import Fleet
from fleet.tableapi import TableApi

from compose.fleets import started  # isort: skip
from compose.floor import furnish  # isort: skip


@pytest.fixture(scope="package")
def engine() -> Iterator[Engine]:
    if reason := engines.why_not():
        pytest.skip(f"the Compose fleet is not tested: {reason}")
    with engines.running() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(engine: Engine) -> Iterator[Fleet]:
    with started(engine) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def tables(fleet: Fleet) -> TableApi:
    made = TableApi(next(p for p in fleet.processes().values() if p.service == "simulator").port)
    furnish(fleet)
    return made


@pytest.fixture(scope="module")
def floor(tables: TableApi) -> Floor:  # noqa: ARG001  # the tables stand before they are taken
    return Floor()


@pytest.fixture
async def console(fleet: Fleet, tables: TableApi) -> AsyncIterator[Console]:  # noqa: ARG001
    async with opened_console(fleet.url, fleet.key) as opened:
        yield opened
