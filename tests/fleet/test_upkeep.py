"""What an operator does to the running fleet as a whole: back it up, put it back, renew it."""

import asyncio
import re
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.console import RESULTS, Console
from fleet.dealing import dealing, patient
from fleet.floor import Floor
from fleet.rig import ENVIRONMENTS, ROOT, Fleet
from fleet.rig import REPLICAS as COUNT
from fleet.tableapi import TableApi

RED = RESULTS["speed_roulette"]
REPLICAS = ("gateway", *(f"table-service-{name.lower()}" for name in ENVIRONMENTS))


@pytest.fixture(autouse=True)
async def _back(fleet: Fleet, tables: TableApi) -> AsyncIterator[None]:
    assert tables
    await fleet.whole()
    yield
    said = await fleet.manage("scale", f"table-service={COUNT}", "gateway=1")
    assert said.code == 0, said


async def test_a_backup_is_put_back_with_a_round_open_in_it(
    fleet: Fleet, console: Console, tables: TableApi, floor: Floor, tmp_path: Path
) -> None:
    file = tmp_path / "the backup.tar.gz"
    kept = await console.play(floor.take())
    table = floor.take()
    open_round = await console.opened(table)
    said = await fleet.manage("backup", str(file))
    assert said.code == 0, said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    later = await console.opened(floor.take())
    before = {one.pid for one in (await fleet.status()).values() if one.service in REPLICAS}

    said = await fleet.manage("restore", str(file), "--yes")
    assert said.code == 0, said
    now = {one.pid for one in (await fleet.status()).values() if one.service in REPLICAS}
    assert not now & before
    assert (await console.ask("GET", f"/v1/rounds/{later.round}")).status == 404
    assert await console.read(kept.round) == kept
    answer = await console.result(open_round.round, **RED)
    assert answer.status in (200, 202), answer
    dealt = await console.settled(open_round.round)
    assert set(dealt.outcomes.values()) == {"accepted"}
    assert tables.counts(table, "deal") == dict.fromkeys(ENVIRONMENTS, 1)
    said = await fleet.manage("verify")
    assert said.code == 0, said


async def test_restore_asks_and_refuses_what_is_no_backup(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "no backup"
    file.write_text("something else")
    said = await fleet.manage("restore", str(file))
    assert (said.code, "--yes" in said.err) == (2, True)
    said = await fleet.manage("restore", str(file), "--yes")
    assert (said.code, "no whole backup" in said.err) == (2, True)
    said = await fleet.manage("backup", str(file))
    assert (said.code, "is there already" in said.err) == (2, True)


@pytest.mark.long
async def test_an_upgrade_under_load_fails_no_request(fleet: Fleet, floor: Floor) -> None:
    before = {one.instance: one.pid for one in (await fleet.status()).values()}
    async with dealing(fleet, floor, patient) as load:
        await load.more(2)
        said = await fleet.manage("upgrade")
        assert said.code == 0, said
        await load.more(2)
    assert load.failures == []
    now = {one.instance: one.pid for one in (await fleet.status()).values()}
    assert set(now) == set(before)
    renewed = {name for name in now if now[name] != before[name]}
    assert renewed == set(now) - {"nginx", "postgres", "redis", "simulator"}


async def test_the_quickstart_does_what_it_says(fleet: Fleet, tmp_path: Path) -> None:
    text = (ROOT / "QUICKSTART.md").read_text()
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", text)
    assert len(blocks) == 4
    script = "set -eo pipefail\n" + "\n".join(blocks)
    script = script.replace("table-service=5", "table-service=3")  # five are played elsewhere
    script = script.replace("quickstart-backup", f"{tmp_path}/quickstart-backup")
    played = await asyncio.to_thread(
        subprocess.run,
        ["/bin/bash", "-c", script],
        env=fleet.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert played.returncode == 0, played
    assert "table-service-prd: 2 -> 3" in played.stdout
    assert "finished" in played.stdout
