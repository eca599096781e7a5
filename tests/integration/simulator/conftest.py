"""One simulator for all tests here; each test has an environment of its own in it."""

from collections.abc import Iterator
from itertools import count

import pytest

from simulator.testing import Simulator, Target, run_simulator

numbers = count(1)


@pytest.fixture(scope="session")
def sim() -> Iterator[Simulator]:
    with run_simulator("--seed", "7") as running:
        yield running


@pytest.fixture
def environment(sim: Simulator) -> Iterator[str]:
    name = f"ENV{next(numbers)}"
    yield name
    sim.control("DELETE", f"faults?environment={name}")


@pytest.fixture
def target(sim: Simulator, environment: str) -> Target:
    made = Target(sim.port, environment, "ARO-001")
    made.open_session()
    return made
