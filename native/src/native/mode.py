"""Which way the fleet runs, or shall run: as local processes, or with Docker Compose."""

import shutil
from typing import Any, Final, Protocol, cast

from native import lifecycle, orphans, settings
from native.control import Say
from native.lifecycle import Fleet
from native.refusals import Refusal
from native.supervisor_lock import is_held

NATIVE: Final = "native"
DOCKER: Final = "docker"


class Runner(Protocol):
    """What either way can do."""

    def up(self, say: Say, *, simulator: bool = False) -> str: ...
    def down(self, say: Say) -> str: ...
    def read_status(self) -> Fleet: ...
    def scale(self, wishes: dict[str, str], say: Say) -> str: ...
    def add_environment(self, name: str, say: Say) -> dict[str, Any]: ...
    def remove_environment(self, name: str, say: Say) -> dict[str, Any]: ...
    def upgrade(self, say: Say) -> str: ...
    def renew(self, say: Say) -> None: ...
    def has_simulator(self) -> bool: ...
    def simulator_url(self, port: int) -> str: ...
    def write_psql(self) -> tuple[str, dict[str, str]]: ...
    def write_database_url(self) -> dict[str, str]: ...
    def redis_url(self) -> str: ...


def _runs_natively() -> bool:
    where = lifecycle.places()
    return is_held(where.lock) or any(one.is_alive() for one in orphans.recall(where.processes))


def _runs_in_docker() -> bool:
    if shutil.which("docker") is None:
        return False
    from native.docker import lifecycle as docker  # noqa: PLC0415  # native verbs start faster

    return docker.is_running()


def find() -> str:
    """Tell how the fleet of this checkout runs; native where none does."""
    wish = settings.read_mode()
    if wish is not None:
        return wish
    return DOCKER if not _runs_natively() and _runs_in_docker() else NATIVE


def choose(wish: str | None) -> str:
    """Settle how to start: as it runs, else as wished, else with Docker where an engine answers."""
    wish = wish or settings.read_mode()
    if _runs_natively():
        running: str | None = NATIVE
    else:
        running = DOCKER if _runs_in_docker() else None
    if running is not None and wish not in {None, running}:
        raise Refusal(f"The fleet runs in {running} mode; first: ./manage.sh down")
    return running or wish or (DOCKER if _engine_answers() else NATIVE)


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    from native.docker import engine  # noqa: PLC0415  # native verbs start faster

    return engine.answers()


def runner(mode: str) -> Runner:
    if mode == DOCKER:
        from native.docker import lifecycle as docker  # noqa: PLC0415  # native verbs start faster

        return cast("Runner", docker)
    return cast("Runner", lifecycle)


def running() -> Runner:
    return runner(find())
