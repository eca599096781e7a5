"""A Compose fleet of a test's own: started by manage.sh, and taken down with all it had."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.engine import Engine
from fleet.rig import ROOT, Fleet

PROJECT = "pitboss-test"
_OVERRIDE = ROOT / "tests" / "compose" / "override.yml"


@contextmanager
def prepared(engine: Engine, *files: Path, **settings: str) -> Iterator[Fleet]:
    """Lend a fleet that is not started yet; nothing of it is left behind."""
    engine.clear(PROJECT)
    folder = Path(tempfile.mkdtemp(prefix="pitboss-compose-"))
    told = {
        **engine.environment,
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": ":".join(map(str, (*compose_files(engine), *files))),
        "PITBOSS_EDGE_BIND": "127.0.0.1",
        "PITBOSS_REPLICAS": "1",
        **settings,
    }
    try:
        yield Fleet(folder / "a state folder", settings=told, mode="docker", seconds=900.0)
    finally:
        engine.clear(PROJECT)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(engine: Engine, *files: Path, **settings: str) -> Iterator[Fleet]:
    """Lend a fleet that is up, with its simulator."""
    with prepared(engine, *files, **settings) as fleet:
        said = fleet.run("up", "--simulator")
        assert said.code == 0, said
        yield fleet
        said = fleet.run("down")
        assert said.code == 0, said


def compose_files(engine: Engine, root: Path = ROOT) -> list[Path]:
    """Give what a checkout's fleet is made of; the way to the packages stays this checkout's."""
    return [root / "docker-compose.yml", *([_OVERRIDE] if engine.has_standins else [])]
