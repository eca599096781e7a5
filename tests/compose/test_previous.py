"""A fleet of the commit before this one is brought to this one while its consoles play."""

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from compose.engine import Engine
from compose.fleets import PROJECT, compose_files, prepared
from fleet.console import RESULTS, Answer, Console, Round, new_key
from fleet.dealing import dealing, patient
from fleet.floor import Floor
from fleet.rig import ROOT, Fleet
from fleetkit.testing import eventually, until
from native.docker.engine import find_compose

pytestmark = pytest.mark.long

PREVIOUS: Final = "HEAD~1"
IMAGES: Final = "pitboss-upgraded"
SLOW_S: Final = 120.0
_SERVICES: Final = (
    *("table-service-cit", "metrics-service", "log-service", "simulator", "postgres", "nginx"),
)


class Steady(Console):
    """A console that asks again, under the same key, when its connection breaks: nginx blinks."""

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        name = key or (new_key() if method == "POST" else None)

        async def once() -> Answer | None:
            try:
                return await Console.ask(self, method, path, body, key=name, headers=headers)
            except httpx.TransportError:
                return None

        answer: Answer | None = await eventually(once, within_s=SLOW_S)
        assert answer is not None
        return answer


async def play(console: Console, table: str) -> Round:
    return await patient(Steady(console.client), table)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lend the checkout of the commit before this one, without its history."""
    said = subprocess.run(
        ["git", "archive", PREVIOUS],  # noqa: S607  # the checkout's own
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if said.returncode != 0:
        pytest.skip("there is no commit before this one here")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(said.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def fleet(engine: Engine, previous: Path) -> Iterator[Fleet]:
    """Lend a fleet of the previous images, started as plain `docker compose` does."""
    with prepared(engine, IMAGES=IMAGES) as fleet:
        files = [f"--file={file}" for file in compose_files(engine, previous)]
        options = [f"--project-directory={previous}", "--profile=simulator", *files]

        def compose(*arguments: str) -> None:
            done: subprocess.CompletedProcess[str] = subprocess.run(
                [*find_compose(), f"--project-name={PROJECT}", *options, *arguments],
                env=fleet.environment(),
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
            assert done.returncode == 0, (arguments, done.stderr[-2000:])

        compose("build", "--quiet", "gateway")  # whose layers the others share
        compose("build", "--quiet", *_SERVICES)
        compose("up", "--detach", "--no-build")
        until(lambda: {one.state for one in fleet.processes().values()} == {"ready"}, SLOW_S)
        yield fleet


def images(engine: Engine, fleet: Fleet) -> dict[str, str]:
    shape = '{{index .Config.Labels "com.docker.compose.service"}} {{.Image}}'
    found: list[Any] = [one.container for one in fleet.processes().values()]
    lines = engine.docker("inspect", "--format", shape, *found).splitlines()
    return dict(line.split() for line in lines)


async def test_an_upgrade_from_the_previous_images_under_load(
    fleet: Fleet, engine: Engine, console: Console, floor: Floor
) -> None:
    """Old and new code serve beside each other, on the migrated schema, and nobody is failed."""
    open_round = await console.opened(floor.take())
    async with dealing(fleet, floor, play) as load:
        await load.more(3)
        said = await fleet.manage("upgrade")
        assert said.code == 0, said
        await load.more(3)
    assert load.failures == []
    answer = await console.result(open_round.round, **RESULTS["speed_roulette"])
    assert answer.status in (200, 202), answer
    settled = await console.settled(open_round.round, within_s=SLOW_S)
    assert set(settled.outcomes.values()) == {"accepted"}
    now = images(engine, fleet)
    tag = f"{IMAGES}/gateway:latest"
    assert now["gateway"] == engine.docker("image", "inspect", "--format", "{{.Id}}", tag).strip()
    assert len({now[service] for service in now if service.startswith("table-service")}) == 1
    said = await fleet.manage("verify", "--json")
    broken = {check["name"] for check in json.loads(said.out)["checks"] if not check["ok"]}
    # The machine may be slow.
    assert broken <= {"bets_stop_on_time"}, said.out
