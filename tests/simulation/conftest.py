"""The simulation's options: how many rounds, from which seed, or one world again."""

import logging

import pytest
import structlog


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--rounds", type=int, default=None, help="rounds to play in all")
    group.addoption("--seed", type=int, default=1, help="the seed all worlds are drawn from")
    group.addoption("--world", default=None, help="one world, as a failing run names it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the replay of a world unless one is named."""
    if config.getoption("--world", default=None) is None:
        items[:] = [item for item in items if item.name != "test_replay_of_a_world"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=False,
    )
