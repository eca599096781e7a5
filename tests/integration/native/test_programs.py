"""Stepping down from root, also where the checkout is closed to everybody else."""

import os
import sys
from pathlib import Path

import pytest

from native import accounts, programs


@pytest.mark.parametrize("mode", [0o755, 0o700])
async def test_the_account_reaches_its_folders_whoever_may_enter_them(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    tool = folder / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    tmp_path.chmod(mode)
    # access() is what initdb asks about the server's binary, and it is stricter than opening it
    asked = f"import os, sys; sys.exit(not os.access({str(tool)!r}, os.X_OK) or os.geteuid() == 0)"
    account = accounts.choose()
    if account is None:
        asked = asked.removesuffix(" or os.geteuid() == 0)") + ")"
    python = os.path.realpath(sys.executable)
    program = programs.Program((python, "-c", asked), account=account, needs=(folder,))
    await programs.finish(program, tmp_path / "log")
