"""What all tiers have in common: the long ones are played only where their tier is run alone."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: left out where all tests are run, for their time")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones to the run of their own tier: all tests together have a time to keep."""
    if config.args != ["tests"]:
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: played where its tier is run alone"))
