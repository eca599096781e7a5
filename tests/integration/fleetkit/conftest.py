"""A bus on each of the servers it can stand on."""

import secrets
from collections.abc import AsyncIterator

import pytest

from fleetkit.bus import Bus, open_bus
from integration.fleetkit.buses import Server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def bus(server: Server) -> AsyncIterator[Bus]:
    async with open_bus(server.url) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    return f"test.{secrets.token_hex(6)}"
