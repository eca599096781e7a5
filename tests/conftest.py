"""What all tiers have in common: the long ones are played only where their tier is run alone."""

import gc

import pytest
from hypothesis import HealthCheck, settings

# A machine that stands still for a moment is no fault of what is tried. And each run finds the
# same, so that a change is judged by itself.
settings.register_profile(
    "patient",
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: left out where all tests are run, for their time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones to the run of their own tier: all tests together have a time to keep."""
    if config.args != ["tests"]:
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: played where its tier is run alone"))


def pytest_collection_finish() -> None:
    """Keep the collector off what all tests are made of: it would stop each server here for long.

    A look at it all takes half a second, longer than Redis and nginx are waited for.
    """
    gc.collect()
    gc.freeze()
