"""The command line `pitboss` against the fleet, as somebody at a shell uses it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.console import Console
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, Fleet, Said
from fleetkit.testing import free_port


class Client:
    """One shell, with its settings."""

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
        self._environment = kept | settings
        self._folder = folder

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pitboss_cli", *arguments),
            env=self._environment,
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str) -> Said:
        process = await self.begin(*arguments)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def read(self, *arguments: str) -> dict[str, Any]:
        """Run it with --json, and take its answer."""
        said = await self.run(*arguments, "--json")
        assert (said.code, said.err) == (0, ""), said
        found: dict[str, Any] = json.loads(said.out)
        return found


@pytest.fixture
def client(fleet: Fleet, tmp_path: Path, console: Console) -> Client:
    assert console  # the tables stand
    return Client(tmp_path, PITBOSS_URL=fleet.url, PITBOSS_KEY=fleet.key)


async def test_a_whole_round_is_played_by_the_tables_name(client: Client, table: str) -> None:
    said = await client.run("start", table)
    assert said.code == 0, said
    assert said.out.count("accepted") == len(ENVIRONMENTS)
    assert "\033" not in said.out
    shown = await client.read("round", table)
    assert (shown["state"], shown["outcome"]) == ("open", "complete")
    assert (await client.read("tables", table))["open_round"] == shown["round"]
    said = await client.run("result", table, "17", "--wait-ms", "10000")
    assert (said.code, said.err) == (0, ""), said
    assert "dealt, complete result 17" in said.out
    done = await client.read("finish", table)
    assert (done["state"], done["round"]) == ("finished", shown["round"])
    listed = await client.read("rounds", "--table", table, "--since", "1h")
    assert [one["round"] for one in listed["rounds"]] == [shown["round"]]
    said = await client.run("history", table)
    assert "round.finished" in said.out


async def test_part_of_a_round_is_told_as_such(client: Client, table: str, tables: Any) -> None:
    tables.fail("status", environment="STG", table=table, operation="start", status=400)
    said = await client.run("start", table, "--environments", "PRD,STG")
    assert said.code == 4, said
    assert "partial" in said.out
    said = await client.run("cancel", table, "--reason", "A rehearsal.")
    assert said.code in {0, 4}, said
    assert (await client.read("drift", table))["table"] == table


async def test_errors_are_one_sentence_and_a_code(
    client: Client, fleet: Fleet, tmp_path: Path
) -> None:
    said = await client.run("start", "NO-SUCH")
    assert (said.code, said.out) == (1, "")
    assert "NO-SUCH" in said.err
    assert "[unknown_table, trace " in said.err
    (tmp_path / "key").write_text("wrong\n")
    said = await client.run("tables", "--key-file", "key")
    assert (said.code, said.out) == (1, "")
    assert "[wrong_key, trace " in said.err
    nobody = Client(tmp_path, PITBOSS_URL=fleet.url)
    assert (await nobody.run("tables")).code == 2
    url = f"http://127.0.0.1:{free_port()}"
    said = await client.run("tables", "--url", url, "--retry-for", "0")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith(f"{url} does not answer")


async def test_configuration_and_keys_are_for_the_shell_too(
    client: Client, fleet: Fleet, tmp_path: Path
) -> None:
    said = await client.run("config", "get", "QAT")
    assert said.code == 0, said
    (tmp_path / "qat.json").write_text(said.out)
    tried = await client.read("config", "put", "qat.json", "--dry-run")
    assert (tried["dry_run"], tried["diff"], tried["errors"]) == (True, [], [])
    said = await client.run("keys", "add", "cli-viewer", "--role", "viewer")
    assert (said.code, len(said.out.split())) == (0, 1), said
    viewer = Client(tmp_path, PITBOSS_URL=fleet.url, PITBOSS_KEY=said.out.strip())
    assert (await viewer.run("services")).code == 0
    said = await viewer.run("keys", "list")
    assert (said.code, said.out) == (1, "")
    assert (await client.run("keys", "revoke", "cli-viewer")).code == 0


async def test_a_batch_is_followed_to_its_end(client: Client, floor: Floor) -> None:
    names = [floor.take() for _ in range(3)]
    said = await client.run("batch", "run", "start", *names)
    assert (said.code, said.err) == (0, ""), said
    *lines, summary = said.out.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(names)
    assert "finished: 3 total, 3 done, 3 complete" in summary
    done = await client.read("batch", "run", "cancel", *names, "--reason", "A rehearsal.")
    assert [one["outcome"] for one in done["tables"]] == ["complete"] * 3


async def test_the_watch_tells_each_event_of_a_table(
    client: Client, console: Console, floor: Floor
) -> None:
    table = floor.take()
    watching = await client.begin("watch", table, "--json", "--since-id", "0")
    try:
        played = await console.play(table)
        came = await asyncio.wait_for(_read_until(watching, "round.finished"), 60)
    finally:
        watching.terminate()
        await watching.communicate()
    assert {one["round"] for one in came} == {played.round}
    kinds = [one["type"] for one in came if one["type"].startswith("round.")]
    assert kinds[0] == "round.started"
    assert [one["id"] for one in came] == sorted({one["id"] for one in came})


async def _read_until(process: asyncio.subprocess.Process, kind: str) -> list[dict[str, Any]]:
    assert process.stdout is not None
    came: list[dict[str, Any]] = []
    read: Callable[[], Any] = process.stdout.readline
    while not came or came[-1]["type"] != kind:
        line = await read()
        assert line, came
        came.append(json.loads(line))
    return came
