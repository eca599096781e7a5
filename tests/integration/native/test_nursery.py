"""What the nursery forks is as what is started plainly, and goes on where the nursery can't."""

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleetkit.testing import eventually
from native.nursery.keeper import FORKS, Nursery
from native.programs import Program, Running, kill_group

pytestmark = pytest.mark.skipif(not FORKS, reason="replicas are started plainly here")

REPLICA = """\
import json, os, random, signal, sys, threading, uuid

VERSION = {version}

def main():
    print(json.dumps({{
        "version": VERSION, "pid": os.getpid(), "session": os.getsid(0), "folder": os.getcwd(),
        "environment": dict(os.environ), "threads": threading.active_count(),
        "chance": [random.random(), str(uuid.uuid4()), os.urandom(4).hex()],
        "open": sorted(os.listdir("/proc/self/fd")),
        "input": sys.stdin.read(),
    }}))
    print("and to stderr", file=sys.stderr)
    if "CODE" in os.environ:
        sys.exit(int(os.environ["CODE"]))
    signal.pause()  # until it is told to go

if __name__ == "__main__":
    main()
"""


@dataclass
class Yard:
    """A checkout with one service, and the nursery of its fleet."""

    root: Path
    nursery: Nursery
    started: list[Running]

    def write(self, text: str) -> None:
        """Change the code, a second later than before."""
        file = self.root / "service" / "src" / "replica.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        at = file.stat().st_mtime + 1 if file.exists() else 1_000_000_000
        file.write_text(text)
        os.utime(file, (at, at))

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    async def start(self, name: str, **environment: str) -> Running:
        command = (sys.executable, "-m", "replica")
        program = Program(command, environment, working_folder=self.root, module="replica")
        running = await self.nursery.launch(program, self.log(name))
        self.started.append(running)
        return running

    async def said(self, name: str) -> dict[str, Any]:
        lines = await eventually(lambda: self._read(name))
        document: dict[str, Any] = json.loads(lines[0])
        return document

    def _read(self, name: str) -> list[str]:
        lines = self.log(name).read_text().splitlines() if self.log(name).exists() else []
        return lines if lines[1:] else []


@pytest.fixture
async def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Yard]:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "service" / "src"))
    monkeypatch.setenv("PITBOSS_ADMIN_KEY", "nothing a replica is told by itself")
    yard = Yard(tmp_path, Nursery(tmp_path), [])
    yard.write(REPLICA.format(version=1))
    yield yard
    for running in yard.started:
        kill_group(running.pid)
        await running.wait()
    await yard.nursery.close()


def parent(running: Running) -> psutil.Process:
    return psutil.Process(psutil.Process(running.pid).ppid())


def is_forked(running: Running) -> bool:
    return "native.nursery" in parent(running).cmdline()


async def test_a_forked_replica_is_a_process_of_its_own(yard: Yard) -> None:
    one, two = await yard.start("one", MINE="1"), await yard.start("two", MINE="2")
    assert is_forked(one)
    assert is_forked(two)
    first, second = await yard.said("one"), await yard.said("two")
    for running, said, own in ((one, first, "1"), (two, second, "2")):
        assert said["pid"] == said["session"] == running.pid
        assert said["folder"] == str(yard.root)
        assert said["environment"]["MINE"] == own
        assert not [name for name in said["environment"] if name.startswith("PITBOSS_")]
        assert said["threads"] == 1
        assert said["input"] == ""
        # The three that a program has, and the folder that is being listed.
        assert said["open"] == ["0", "1", "2", "3"]
    assert not set(first["chance"]) & set(second["chance"])


async def test_its_end_reaches_the_supervisor(yard: Yard) -> None:
    assert await (await yard.start("code", CODE="7")).wait() == 7
    running = await yard.start("struck")
    running.send_signal(9)
    assert await running.wait() == -9
    assert running.returncode == -9
    assert not psutil.pid_exists(running.pid)


async def test_a_replica_is_of_the_code_that_is_there_when_it_starts(yard: Yard) -> None:
    old = await yard.start("old")
    await yard.said("old")
    nursery = parent(old)
    yard.write(REPLICA.format(version=2))
    new = await yard.start("new")
    assert (await yard.said("new"))["version"] == 2
    assert is_forked(new)
    # The old one is watched as before, and its nursery goes with it.
    old.send_signal(15)
    assert await old.wait() == -15
    await eventually(lambda: not nursery.is_running())
    await yard.nursery.forget()
    assert parent(await yard.start("another")) != parent(new)


async def test_code_that_can_not_be_loaded_is_started_plainly(yard: Yard) -> None:
    yard.write("import no_such_module\n")
    running = await yard.start("broken")
    assert await running.wait() == 1
    assert "no_such_module" in yard.log("broken").read_text().splitlines()[-1]
    yard.write(REPLICA.format(version=3))
    assert is_forked(await yard.start("mended"))


async def test_replicas_outlive_their_nursery_and_are_watched_on(yard: Yard) -> None:
    orphan = await yard.start("orphan")
    await yard.said("orphan")
    nursery = parent(orphan)
    nursery.kill()
    await eventually(lambda: not nursery.is_running())
    assert orphan.returncode is None

    async def is_next_forked() -> bool:
        return is_forked(await yard.start("next"))

    await eventually(is_next_forked)
    orphan.send_signal(9)
    await orphan.wait()


async def test_closing_leaves_nothing_behind(yard: Yard) -> None:
    running = await yard.start("last")
    nursery = parent(running)
    running.send_signal(15)
    await running.wait()
    await yard.nursery.close()
    assert not nursery.is_running()
