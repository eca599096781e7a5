"""A fleet of its own for what is sent here: keys of each role, tables, and a round to aim at."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from fleet.floor import address
from fleet.rig import Fleet

ENVIRONMENTS: Final = ("CIT", "PRD")
ROLES: Final = ("viewer", "dealer", "operator", "admin")
UNHINDERED: Final = {"rate_per_second": 1e5, "rate_burst": 1_000_000}
TABLES: Final = {"ARO-001": "speed_roulette", "SBO-001": "sicbo", "BCR-001": "baccarat"}


@dataclass(frozen=True, slots=True)
class Aim:
    """What there is to be hit: a running fleet, keys by role, things that exist."""

    fleet: Fleet
    keys: dict[str, str]
    round: str

    def names(self) -> dict[str, Any]:
        return {
            "table": "ARO-001",
            "round": self.round,
            "environment": "CIT",
            "game_code": "ARO-001",
            "version": 1,
        }


@pytest.fixture(scope="package")
def fleet() -> Iterator[Fleet]:
    # Not pytest's own folder: that one is closed to the account Postgres runs under.
    folder = Path(tempfile.mkdtemp(prefix="pitboss-api-"))
    folder.chmod(0o755)
    settings = {
        "PITBOSS_ENVIRONMENTS": ",".join(ENVIRONMENTS),
        "PITBOSS_REPLICAS": "1",
        # What is let through is what is tested here.
        "PITBOSS_EDGE_RATE": "100000",
    }
    planted = {"CIT_SIGNATURE": f"planted-signature-{secrets.token_hex(8)}"}
    running = Fleet(folder / "state", settings=settings, planted=planted)
    try:
        said = running.run("up")
        assert said.code == 0, said
        yield running
    finally:
        said = running.run("down")
        traces = (str(line.get("error.stack_trace", "")) for line in running.log_lines(""))
        surprises = [trace[-1500:] for trace in traces if trace]
        shutil.rmtree(folder, ignore_errors=True)
    assert said.code == 0, said
    assert not surprises, "\n\n".join(surprises[:5])


@pytest.fixture(scope="package")
def aim(fleet: Fleet) -> Aim:
    port = next(each for each in fleet.processes().values() if each.service == "simulator").port
    headers = {"authorization": f"Bearer {fleet.key}"}
    with httpx.Client(base_url=fleet.url, headers=headers, trust_env=False, timeout=60) as client:
        for environment in ENVIRONMENTS:
            document = {
                "environment": environment,
                "base_url": address(environment, port),
                "tables": [{"id": name, "type": game} for name, game in TABLES.items()],
            }
            answer = client.put(f"/v1/config/environments/{environment}", json=document)
            assert answer.status_code == httpx.codes.CREATED, answer.text
        keys = {}
        for role in ROLES:
            wanted = {
                "name": f"{role}-1",
                "role": role,
                "rate_per_second": 1e5,
                "rate_burst": 1_000_000,
            }
            answer = client.post("/v1/keys", json=wanted)
            assert answer.status_code == httpx.codes.CREATED, answer.text
            keys[role] = answer.json()["key"]
        answer = client.post("/v1/tables/ARO-001/rounds", json={})
        assert answer.is_success, answer.text
    return Aim(fleet, keys, str(answer.json()["round"]))
