"""Configuration on a running fleet, as an operator changes it, also with Redis away."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleet.console import RESULTS, Console
from fleet.floor import address
from fleet.rig import ENVIRONMENTS, Fleet, Said
from fleet.tableapi import TableApi
from fleetkit.testing import eventually

STATUS = "/v1/config/status"


@pytest.fixture(autouse=True)
async def _whole(fleet: Fleet, console: Console) -> AsyncIterator[None]:
    assert console
    await fleet.whole()
    yield
    await fleet.whole()


def old_file(tables: TableApi, code: str) -> list[dict[str, str]]:
    urls = {name: f"{address(name, tables.port)}/tables/" for name in ENVIRONMENTS}
    return [
        {"name": name, "get_url": url, "post_url": url, "game_code": code}
        for name, url in urls.items()
    ]


async def config(fleet: Fleet, *arguments: str, code: int = 0) -> Said:
    said = await fleet.manage("config", *arguments)
    assert said.code == code, said
    return said


async def in_force(console: Console) -> dict[str, Any]:
    status: dict[str, Any] = (await console.client.get(STATUS)).json()
    return {one["environment"]: one for one in status["environments"]}


async def test_two_old_files_are_taken_in_and_a_round_is_played_on_each(
    fleet: Fleet, console: Console, tables: TableApi, tmp_path: Path
) -> None:
    for code in ("OLD-001", "OLD-002"):
        file = tmp_path / f"{code}.json"
        file.write_text(json.dumps(old_file(tables, code)))
        tried = await config(fleet, "import", str(file), "--table", code, "--dry-run")
        assert f"tables.{code}" in tried.out
        assert (await console.client.get(f"/v1/tables/{code}")).status_code == 404
        await config(fleet, "import", str(file), "--table", code, "--reason", "Moved.")
        done = await console.play(code)
        assert set(done.outcomes) == set(ENVIRONMENTS)
    taken = await config(fleet, "history", "PRD")
    assert "Moved." in taken.out
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps([{**old_file(tables, "OLD-003")[0], "access_token": "planted"}]))
    refused = await config(fleet, "import", str(bad), "--table", "OLD-003", code=2)
    assert "planted" not in refused.err + refused.out
    assert len(refused.err.strip().splitlines()) == 1


async def test_an_environment_is_added_played_on_and_removed(
    fleet: Fleet, console: Console, tables: TableApi, tmp_path: Path
) -> None:
    file = tmp_path / "glc.json"
    document = {
        "environment": "GLC",
        "base_url": address("GLC", tables.port),
        "tables": [{"id": "GLC-001", "type": "speed_roulette"}],
    }
    file.write_text(json.dumps(document))
    await config(fleet, "put", str(file))
    added = await fleet.manage("env", "add", "GLC")
    assert added.code == 0, added
    round_ = await console.opened("GLC-001")
    early = await fleet.manage("env", "remove", "GLC", "--timeout", "0.1")
    assert early.code == 1
    assert round_.round in early.err
    assert (await console.start("GLC-001")).status == 404
    for name, body in (("result", RESULTS["speed_roulette"]), ("finish", {})):
        answer = await console.command(name, round_.round, **body)
        assert answer.round.outcome == "complete", answer
    removed = await fleet.manage("env", "remove", "glc")
    assert removed.code == 0, removed
    assert await fleet.pool("table-service-glc") == []
    assert (await in_force(console))["GLC"]["version"] == 2
    again = await fleet.manage("env", "add", "GLC")
    assert "config rollback GLC 1" in again.out, again
    await config(fleet, "rollback", "GLC", "1", "--reason", "It is back.")
    assert (await console.play("GLC-001")).outcomes == {"GLC": "accepted"}
    assert (await fleet.manage("env", "remove", "GLC", "--now")).code == 0
    unknown = await fleet.manage("env", "remove", "NOWHERE")
    assert (unknown.code, len(unknown.err.strip().splitlines())) == (2, 1)


async def test_a_change_is_in_force_without_redis_and_known_when_it_is_back(
    fleet: Fleet, console: Console, tables: TableApi
) -> None:
    async def everywhere() -> dict[str, Any] | None:
        found = (await in_force(console))["CIT"]
        replicas = len(found["replicas"]) == len(await fleet.pool("table-service-cit")) + 1
        return found if found["in_force"] and replicas else None

    async def starts() -> bool:
        return bool((await console.start("AWAY-001")).status == 201)

    before = await eventually(everywhere, within_s=30)
    redis = await fleet.one("redis")
    redis.kill(signal.SIGSTOP)
    try:
        path = "/v1/config/environments/CIT/tables/AWAY-001"
        tables.arrange("CIT", "AWAY-001", game_type="speed_roulette")
        added = await console.ask("PUT", path, {"type": "speed_roulette"})
        assert added.status == 201
        assert (await console.client.get(STATUS)).json()["registry"] == "away"
        assert await eventually(starts, within_s=30)
    finally:
        redis.kill(signal.SIGCONT)
    after = await eventually(everywhere, within_s=60)
    assert after["version"] == before["version"] + 1
