"""Log lines as in production, so that no test waits for coloured tracebacks."""

import pytest

from fleetkit import logs


@pytest.fixture(scope="session", autouse=True)
def _json_logs() -> None:
    logs.configure("tests", "tests")
