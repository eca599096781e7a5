"""Stepping down from root where the checkout is closed to everybody else."""

import sys
from pathlib import Path

import pytest

from native import accounts, programs


@pytest.fixture
def closed_tool(tmp_path: Path) -> Path:
    tool = tmp_path / "a checkout" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    tmp_path.chmod(0o700)
    return tool


async def test_the_account_reaches_a_closed_checkout(closed_tool: Path) -> None:
    # access() is what initdb asks about the server's binary; it is stricter than opening it
    asked = f"import os, sys; sys.exit(not os.access({str(closed_tool)!r}, os.X_OK))"
    program = programs.Program(
        (sys.executable, "-c", asked), account=accounts.choose(), needs=(closed_tool.parent,)
    )
    await programs.finish(program, closed_tool.with_name("log"))
