"""P11: how long `./manage.sh demo` takes, on a fresh machine and on one that has all it needs."""

import asyncio
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import at_most
from bench.ground import FOLDER, Ground, make_secrets
from bench.scenario import Bar, Report
from chaos.ground import clean_environment, open_folder
from native import ports
from native.places import ROOT
from native.refusals import Refusal

_LONGEST_S: Final = 600.0
_WARM_S: Final = 10.0
_COLD_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Played:
    seconds: float
    rounds_s: float


async def run(ground: Ground, *, quick: bool) -> Report:
    """Play the demo in a state folder of its own; the cold one in a copy of the checkout."""
    del ground  # a fleet beside it, which does nothing meanwhile
    bars = []
    with open_folder(FOLDER) as folder:
        environment = _settle(folder)
        first = await _play(ROOT, environment)
        if quick:
            note = f"its database is new, {first.rounds_s:.1f} s of it are the rounds played"
            return Report([at_most("P11", "demo, warm", first.seconds, _WARM_S, "s", note=note)])
        again = await _play(ROOT, environment)
        note = f"{again.rounds_s:.1f} s of it are the rounds played; "
        note += f"{first.seconds:.1f} s with a new database"
        bars.append(at_most("P11", "demo, warm", again.seconds, _WARM_S, "s", note=note))
        bars.append(await _cold(folder, environment))
    return Report(bars)


def _settle(folder: Path) -> dict[str, str]:
    port = ports.pick_free()
    return {
        **clean_environment(),
        **make_secrets(),
        "PITBOSS_STATE_DIR": str(folder / "state"),
        "PITBOSS_PORT": str(port),
        "PITBOSS_INNER_PORT": str(ports.pick_free((port,))),
        "PITBOSS_MODE": "native",
    }


async def _play(checkout: Path, environment: Mapping[str, str]) -> _Played:
    """Play it to its end, then take its fleet down."""
    try:
        began = time.perf_counter()
        out = await _manage(checkout, environment, "demo", "--json")
        seconds = time.perf_counter() - began
    finally:
        await asyncio.shield(_manage(checkout, environment, "down"))
    return _Played(seconds, float(json.loads(out)["summary"]["seconds"]))


async def _manage(checkout: Path, environment: Mapping[str, str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("./manage.sh", *arguments),
        cwd=checkout,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # on Ctrl-C its fleet still has to be taken down
    )
    out, err = await asyncio.wait_for(process.communicate(), _LONGEST_S)
    if process.returncode:
        raise Refusal(f"{arguments[0]} failed: {err.decode()[-300:].strip()}")
    return out.decode()


async def _cold(folder: Path, environment: Mapping[str, str]) -> Bar:
    """Play it in a copy without a virtual environment, with no package kept from before."""
    checkout = folder / "checkout"
    process = await asyncio.create_subprocess_exec(
        *("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    await asyncio.to_thread(_copy, [name for name in out.decode().split("\0") if name], checkout)
    cold = {
        **environment,
        "PITBOSS_STATE_DIR": str(folder / "cold"),
        "UV_CACHE_DIR": str(folder / "uv"),
        "PIP_NO_CACHE_DIR": "1",
    }
    played = await _play(checkout, cold)
    note = "a new copy of the checkout, all packages fetched; nginx was installed before"
    return at_most("P11", "demo, cold", played.seconds, _COLD_S, "s", note=note)


def _copy(names: list[str], checkout: Path) -> None:
    for name in names:
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
