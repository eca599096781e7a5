"""A Docker engine for the tests: the machine's, or one of our own, stopped by its pid."""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil
import pytest

from compose import standins
from fleetkit.testing import until

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pitboss"
"""Outlives the checkout, so that a second run finds the images' layers built."""
PATH: Final = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def find(program: str) -> str:
    """Give the program's path, or nothing."""
    return shutil.which(program, path=PATH) or ""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers, and what its client has to be told."""

    environment: dict[str, str]
    has_standins: bool

    def docker(self, *arguments: str, seconds: float = 120.0) -> str:
        done = subprocess.run(
            [find("docker"), *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def clear(self, project: str) -> None:
        """Remove what a run that was killed left behind."""
        label = f"label=com.docker.compose.project={project}"
        for kind, remove in (
            ("container", ("container", "rm", "--force")),
            ("volume", ("volume", "rm", "--force")),
            ("network", ("network", "rm")),
        ):
            quiet = ("--all",) if kind == "container" else ()
            found = self.docker(kind, "ls", "--quiet", *quiet, "--filter", label).split()
            if found:
                self.docker(*remove, *found)


def _answers(environment: dict[str, str]) -> bool:
    return (
        subprocess.run(
            [find("docker"), "version"],
            env=os.environ | environment,
            capture_output=True,
            timeout=20,
            check=False,
        ).returncode
        == 0
    )


def why_not() -> str | None:
    """Say in one line why no engine can be had here."""
    if not find("docker"):
        return "there is no Docker here; install docker.io, or run as root on Debian"
    if _answers({}):
        return None
    missing = [name for name in ("dockerd", "debootstrap", "iptables") if not find(name)]
    if os.geteuid() != 0:
        return "no Docker engine answers, and starting one takes root"
    if missing:
        return f"no Docker engine answers, and {', '.join(missing)} is missing to start one"
    return None


@contextmanager
def running() -> Iterator[Engine]:
    """Lend the machine's engine, or start one."""
    if _answers({}):
        given = Engine({}, has_standins=False)
        has_standins = bool(given.docker("images", "--quiet", standins.MINIMAL).strip())
        yield replace(given, has_standins=has_standins)
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.skip("the Compose fleet is not tested: another run has the engine just now")
        with _own(CACHE / "engine") as engine:
            standins.build(engine.environment, CACHE)
            yield engine


@contextmanager
def _own(data: Path) -> Iterator[Engine]:
    run = Path(tempfile.mkdtemp(prefix="pitboss-engine-"))  # short, for the sockets in it
    socket = run / "docker.sock"
    # BuildKit is not in the oldest engine that we run on.
    environment = {"DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "0"}
    log = (run / "log").open("wb")
    pidfile = data.with_suffix(".pid")
    _end_leftover(pidfile)
    options = {"data-root": data, "exec-root": run / "exec", "pidfile": pidfile}
    process = subprocess.Popen(
        [
            find("dockerd"),
            f"--host=unix://{socket}",
            "--log-level=warn",
            *(f"--{name}={value}" for name, value in options.items()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=os.environ | {"PATH": PATH},
        start_new_session=True,
    )
    try:
        _wait(process, environment, run / "log")
        own = Engine(environment, has_standins=True)
        own.docker("image", "prune", "--force", "--filter", "until=96h")  # layers of older code
        _weigh()
        yield own
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        for mounted in (run / "exec" / "netns").glob("*"):  # dockerd leaves these behind
            subprocess.run([find("umount"), str(mounted)], capture_output=True, check=False)
        shutil.rmtree(run, ignore_errors=True)


def _weigh() -> None:
    """Give all containers together the share of more than one of this machine's processes.

    An engine started by systemd has half the machine against all else that runs; ours would be
    weighed as one process, however many containers it has.
    """
    root = Path("/sys/fs/cgroup")
    knob, weight = ("docker/cpu.weight", "800")
    if (root / "cpu").is_dir():  # the first version of cgroups
        knob, weight = ("cpu/docker/cpu.shares", "8192")
    with suppress(OSError):
        (root / knob).parent.mkdir(exist_ok=True)
        (root / knob).write_text(weight)


def _end_leftover(pidfile: Path) -> None:
    """End the engine of a run that was killed: it holds the data."""
    try:
        left = psutil.Process(int(pidfile.read_text()))
        if str(pidfile) in " ".join(left.cmdline()):
            left.terminate()
            left.wait(60)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return


def _wait(process: "subprocess.Popen[bytes]", environment: dict[str, str], log: Path) -> None:
    until(lambda: process.poll() is not None or _answers(environment), 60)
    assert process.poll() is None, f"dockerd did not start: {log.read_text()[-1000:]}"
