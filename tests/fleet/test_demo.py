import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from native import ports
from native.places import ROOT

Manage = Callable[..., "subprocess.CompletedProcess[str]"]

KEY = {"authorization": "Bearer the-key-of-this-test"}
TARGETS = {"ARO-001": 10, "ARO-002": 5, "SBO-001": 5, "BCR-001": 5}


@pytest.fixture(scope="module")
def port() -> int:
    return ports.pick_free()


@pytest.fixture(scope="module")
def manage(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manage]:
    """Run manage.sh on a fleet of our own, in a folder with a space."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
    environment = {
        **kept,
        "PITBOSS_STATE_DIR": str(tmp_path_factory.mktemp("demo") / "a state folder"),
        "PITBOSS_ADMIN_KEY": "the-key-of-this-test",
        "PITBOSS_PORT": str(port),
        "PITBOSS_INNER_PORT": str(ports.pick_free((port,))),
    }

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(ROOT / "manage.sh"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    try:
        yield run
    finally:
        run("down")


@pytest.fixture(scope="module")
def played(manage: Manage) -> dict[str, Any]:
    done = manage("demo", "--json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def ask(port: int, path: str) -> Any:
    url = f"http://127.0.0.1:{port}{path}"
    return httpx.get(url, headers=KEY, timeout=30).raise_for_status().json()


def read_versions(port: int) -> dict[str, int]:
    listed = ask(port, "/v1/config/environments")["environments"]
    return {each["environment"]: each["version"] for each in listed}


def test_every_round_is_finished_on_every_target(played: dict[str, Any]) -> None:
    assert sorted(each["table"] for each in played["rounds"]) == sorted([*TARGETS, *TARGETS])
    for each in played["rounds"]:
        assert (each["state"], each["outcome"]) == ("finished", "complete")
        assert len(each["legs"]) == TARGETS[each["table"]]
        for leg in each["legs"]:
            assert (leg["state"], leg["outcome"]) == ("finished", "accepted")
            assert leg["bet_period"] in {1, 2}
            assert leg["latency_ms"] > 0


def test_each_effect_took_place_exactly_once(played: dict[str, Any]) -> None:
    summary = played["summary"]
    assert summary["wrong"] == []
    assert summary["effects"] == 4 * summary["legs"] == 4 * 2 * sum(TARGETS.values())


def test_the_misbehaving_environment_was_seen(played: dict[str, Any]) -> None:
    answers = [command["answers"] for command in played["summary"]["commands"].values()]
    assert any("207" in each for each in answers)


def test_the_fleet_is_left_running_with_nothing_unresolved(
    manage: Manage, port: int, played: dict[str, Any]
) -> None:
    assert played["urls"]["swagger"] == f"http://127.0.0.1:{port}/docs"
    assert httpx.get(played["urls"]["swagger"], timeout=30).status_code == 200
    assert ask(port, "/v1/rounds?unresolved=true")["rounds"] == []
    assert manage("status").returncode == 0


def test_a_second_run_in_a_pipe_adds_no_version_and_no_colour(
    manage: Manage, port: int, played: dict[str, Any]
) -> None:
    assert played
    before = read_versions(port)
    done = manage("demo", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert read_versions(port) == before
    assert "\033" not in done.stdout
    assert "each exactly once" in done.stdout
    assert "./manage.sh down" in done.stdout


def test_a_round_left_open_is_ended_first(
    manage: Manage, port: int, played: dict[str, Any]
) -> None:
    assert played
    url = f"http://127.0.0.1:{port}/v1/tables/ARO-002/rounds"
    left = httpx.post(url, headers=KEY, timeout=30).raise_for_status().json()["round"]
    done = manage("demo", "--json", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert ask(port, f"/v1/rounds/{left}")["state"] == "cancelled"


def test_a_real_configuration_is_not_overwritten(
    manage: Manage, port: int, played: dict[str, Any]
) -> None:
    assert played
    url = f"http://127.0.0.1:{port}/v1/config/environments/UAT"
    real = {"environment": "UAT", "base_url": "https://table-api.uat.example/v2/service"}
    httpx.put(url, json={**real, "tables": []}, headers=KEY, timeout=30).raise_for_status()
    before = read_versions(port)
    done = manage("demo")
    assert done.returncode == 1
    assert "UAT is configured for https://table-api.uat.example" in done.stderr
    assert read_versions(port) == before


def test_wrong_use_is_one_sentence(manage: Manage) -> None:
    done = manage("demo", "--rounds", "many")
    assert done.returncode == 2
    assert "no number from 1 to" in done.stderr
