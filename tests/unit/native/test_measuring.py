import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetkit.testing import free_port
from native.autoscaling.containers import Containers
from native.autoscaling.driver import Measured, Row
from native.autoscaling.processes import Processes
from native.docker import engine

HALF, WHOLE, GONE = ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc")
INSPECTED = [
    {"Id": f"{HALF}0000", "HostConfig": {"NanoCpus": 500_000_000}},
    {"Id": f"{WHOLE}0000", "HostConfig": {"NanoCpus": 0}},
    {"Id": f"{GONE}0000", "HostConfig": {"NanoCpus": 0}},
]


@pytest.fixture
def _docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a program in docker's place that knows three containers, one just gone."""
    program = tmp_path / "docker"
    program.write_text(
        f"""#!/bin/sh
        case $1 in
          inspect) echo '{json.dumps(INSPECTED)}' ;;
          stats) printf '%s\\n' '{HALF} 40.00%' '{WHOLE} 40.00%' '{GONE} --' ;;
        esac
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    engine.find_docker.cache_clear()
    yield
    engine.find_docker.cache_clear()


@pytest.mark.usefixtures("_docker")
def test_containers_are_measured_by_what_they_may_use_and_by_what_they_told() -> None:
    meter = Containers(lambda: {"PRD": [3.0, 5.0]})
    rows = {"PRD": [HALF, WHOLE], "CIT": [GONE], "UAT": []}
    measured = meter.read({name: [{"container": each} for each in rows[name]] for name in rows})
    assert measured == {
        "PRD": Measured([80.0, 40.0], [3.0, 5.0]),
        "CIT": Measured([], ()),
        "UAT": Measured([], ()),
    }


def test_a_process_without_a_pid_is_not_taken_for_our_own() -> None:
    meter = Processes()
    rows: dict[str, list[Row]] = {}
    rows |= {"PRD": [{"pid": None, "port": free_port()}], "CIT": [{"pid": os.getpid(), "port": 1}]}
    assert meter.read(rows)["CIT"] == Measured([], [])  # the first look begins the measuring
    again = meter.read(rows)
    assert again["PRD"] == Measured([], [])
    assert len(again["CIT"].cpu) == 1
