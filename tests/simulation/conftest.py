"""The simulation's options: how many rounds, from which seed, or one world again."""

import logging
import sys
from pathlib import Path

import pytest
import structlog

# The simulation is a package of its own, imported by the tests and by the processes they start.
FOLDER = str(Path(__file__).resolve().parents[1])
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--rounds", type=int, default=None, help="rounds to play in all")
    group.addoption("--seed", type=int, default=1, help="the seed all worlds are drawn from")
    group.addoption("--world", default=None, help="one world, as a failing run names it")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=False,
    )
