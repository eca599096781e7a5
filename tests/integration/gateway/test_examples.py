"""The example controllers, run as they stand."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from fleetkit.testing import serving
from gateway.app import create

Studio = Any
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


async def run(name: str, *arguments: str, key: str = "admin-key-of-the-tests") -> tuple[int, str]:
    kept = {one: text for one, text in os.environ.items() if not one.startswith("PITBOSS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / name), *arguments),
        env={**kept, "PITBOSS_KEY": key, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_the_stream_controller_plays_rounds(studio: Studio, redis_url: str) -> None:
    where = ("--redis", redis_url, "--table", "ARO-001")
    code, said = await run("stream_controller.py", *where, "--rounds", "2")
    assert code == 0, said
    assert said.count(" finished complete ") == 2, said
    assert len(studio.effects("deal")) == 2
    code, said = await run("stream_controller.py", *where, key="nobody")
    assert (code, "This key is not known" in said) == (1, True), said


async def test_the_rest_controller_plays_rounds(studio: Studio) -> None:
    settings = studio.settings.model_copy(update={"instance": "gateway-2"})
    async with serving(create(settings)) as url:
        where = ("--url", url, "--table", "ARO-001")
        code, said = await run("rest_controller.py", *where, "--rounds", "2")
        assert code == 0, said
        assert said.count(" finished complete ") == 2, said
        assert len(studio.effects("deal")) == 2
        code, said = await run("rest_controller.py", *where, key="nobody")
        assert (code, "This key is not known" in said) == (1, True), said
