"""The disk under Postgres runs full: a clear answer, nothing lost, and all goes on with room."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from compose.engine import Engine, find
from compose.fleets import started
from fleet.console import UNSETTLED, Answer, Console
from fleet.dealing import patient as play
from fleet.floor import Floor
from fleet.rig import Fleet
from fleetkit.testing import eventually

pytestmark = pytest.mark.long

SIZE = "256m"
POSTGRES = 999
ENVIRONMENTS = "CIT,PRD"
SLOW_S = 120.0


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lend a small disk: a folder in memory, which stays when a container is restarted."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root only")
    folder = tmp_path_factory.mktemp("disk")
    mount = [find("mount"), "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        (folder / "data").mkdir(mode=0o700)
        os.chown(folder / "data", POSTGRES, POSTGRES)
        yield folder
    finally:
        subprocess.run([find("umount"), "--lazy", str(folder)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def fleet(engine: Engine, disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    bound = {"driver_opts": {"type": "none", "o": "bind", "device": str(disk / "data")}}
    override = tmp_path_factory.mktemp("compose") / "disk.yml"
    override.write_text(json.dumps({"volumes": {"postgres": bound}}))
    with started(engine, override, PITBOSS_ENVIRONMENTS=ENVIRONMENTS) as fleet:
        yield fleet


def fill(disk: Path) -> Path:
    """Leave no room at all."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(block)):
                    pass
    return filler


async def test_a_full_disk_is_said_loses_nothing_and_heals(
    fleet: Fleet, disk: Path, console: Console, floor: Floor
) -> None:
    await play(console, floor.take())
    kept = await console.opened(floor.take())
    answers: list[Answer] = []

    async def refused() -> bool:
        # A table's last pages may have room for some more.
        answers.append(await console.start(floor.take(), wait_ms=0))
        return answers[-1].status == 503

    filler = fill(disk)
    try:
        await eventually(refused, within_s=SLOW_S)
        assert answers[-1].problem.code == "database_full", answers[-1]
        assert "retry-after" in answers[-1].headers
        assert (await console.read(kept.round)).round == kept.round
    finally:
        filler.unlink()
    taken = [one.round.round for one in answers if one.status != 503]
    await fleet.whole(within_s=SLOW_S)
    for round_id in taken:
        settled = await console.settled(round_id, within_s=SLOW_S)
        assert not {*settled.outcomes.values()} & {*UNSETTLED}
    await play(console, floor.take())
    said = await fleet.manage("verify", "--json")
    broken = {check["name"] for check in json.loads(said.out)["checks"] if not check["ok"]}
    # Nothing could be written while bets were due.
    assert broken <= {"bets_stop_on_time"}, said.out
