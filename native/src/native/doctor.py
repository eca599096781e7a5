"""What this machine has of what the fleet needs, and the command that installs the rest."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from native import nginx, ports, postgres, rabbitmq, settings, supervisor_lock, valkey
from native.places import Places
from native.refusals import Refusal

_FREE_GIB: Final = 2
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is needed, or would be of use."""

    name: str
    fine: bool
    said: str
    optional: bool = False

    def render(self) -> str:
        mark = "ok" if self.fine else "optional" if self.optional else "MISSING"
        return f"{mark:9}{self.name:12}{self.said}"


def _install(package: str, brew: str) -> str:
    if sys.platform == "darwin":
        return f"install it with: brew install {brew}"
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"install it with: {sudo}apt-get install {package}"


def _program(name: str, finder: object, optional: bool = False) -> Need:
    try:
        found = finder() if callable(finder) else None
    except Refusal as refusal:
        return Need(name, fine=False, said=str(refusal), optional=optional)
    return Need(name, fine=True, said=str(found))


def _any_of(name: str, candidates: tuple[str, ...], advice: str) -> Need:
    found = next((path for path in map(shutil.which, candidates) if path), None)
    return Need(name, found is not None, found or advice, optional=True)


def _ports() -> Iterator[Need]:
    wanted = settings.load()
    if supervisor_lock.is_held(Places(wanted.state).lock):
        yield Need("ports", fine=True, said=f"in use by this fleet, edge {wanted.port}")
        return
    for setting, port in (
        ("PITBOSS_PORT", wanted.port),
        ("PITBOSS_INNER_PORT", wanted.inner_port),
    ):
        try:
            ports.demand(port, setting)
        except Refusal as refusal:
            yield Need("port", fine=False, said=str(refusal))
        else:
            yield Need("port", fine=True, said=f"{port} is free ({setting})")


def _disk() -> Need:
    folder = settings.state_folder()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free / _GIB
    enough = free >= _FREE_GIB
    advice = "" if enough else f"; free {_FREE_GIB} GiB, or set PITBOSS_STATE_DIR elsewhere"
    return Need("disk", enough, f"{free:.1f} GiB free at {there}{advice}")


def _docker() -> Need:
    """Tell of docker mode: the program, an engine that answers, and Compose."""
    from native.docker import engine  # noqa: PLC0415  # it asks other programs

    advice = f"for docker mode; {_install('docker.io', 'docker')}"
    if shutil.which("docker") is None:
        return Need("docker", fine=False, said=advice, optional=True)
    if not engine.answers():
        said = "for docker mode; it is installed, but no engine answers: start it"
        return Need("docker", fine=False, said=said, optional=True)
    return _program("docker", lambda: " ".join(engine.find_compose()), optional=True)


def examine() -> Iterator[Need]:
    """Look for each need in turn."""
    yield Need("python", fine=True, said=f"{platform.python_version()} at {Path(sys.prefix)}")
    yield _program("nginx", nginx.find_binary)
    yield _program("postgres", lambda: postgres.find_binary("postgres"))
    yield _program("psql", postgres.find_psql, optional=True)
    yield _program("valkey", valkey.find_binary)
    yield from _ports()
    yield _disk()
    yield _any_of(
        "chromium",
        ("chromium", "chromium-browser", "google-chrome"),
        f"for the console's tests; {_install('chromium', '--cask chromium')}",
    )
    yield _program("rabbitmq", rabbitmq.find_script, optional=True)
    yield _docker()
    yield _any_of("shellcheck", ("shellcheck",), _install("shellcheck", "shellcheck"))
