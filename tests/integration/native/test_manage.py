import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

Fleet = Any


def run(script: Path, *arguments: str, cwd: Path | None = None, **settings: str) -> Any:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PITBOSS_")}
    return subprocess.run(
        [str(script), *arguments],
        env=kept | settings,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def script(root: Path) -> Path:
    return root / "manage.sh"


def test_wrong_use_is_one_sentence_with_a_way_out(script: Path, tmp_path: Path) -> None:
    for arguments, code, sentence in (
        (["frobnicate"], 2, "There is no verb frobnicate; the verbs are: up down restart"),
        (["test", "nope"], 2, "There is no tier nope; there are: "),
        (["up", "--docker"], 4, "or use: ./manage.sh up --native"),
        (["up", "--fast"], 2, "see: ./manage.sh up --help"),
        (["status", "--yaml"], 2, "see: ./manage.sh status --help"),
        (["down", "now"], 2, "see: ./manage.sh down --help"),
        (["scale"], 2, "SERVICE=N"),
        (["scale", "gateway"], 2, "write SERVICE=N, such as table-service=5"),
        (["logs"], 1, "There are no logs yet"),
        (["status"], 3, "start it with: ./manage.sh up"),
    ):
        nowhere = {"PITBOSS_STATE_DIR": str(tmp_path / "none"), "DOCKER_HOST": "unix:///nowhere"}
        done = run(script, *arguments, cwd=tmp_path, **nowhere)
        assert done.returncode == code, (arguments, done)
        assert sentence in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_each_verb_has_help(script: Path, tmp_path: Path) -> None:
    usage = run(script, "help").stdout
    verbs = [line.split()[0] for line in usage.splitlines() if line.startswith("  ")]
    assert {"up", "down", "scale", "test", "demo", "doctor"} <= set(verbs)
    for verb in verbs:
        done = run(script, verb, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: ./manage.sh "), verb


def test_a_python_too_old_is_refused(script: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run(script, "status", PITBOSS_PYTHON=str(old))
    assert done.returncode == 4
    assert "is no Python 3.11 or later; set it to one, or unset it." in done.stderr


def test_no_python_at_all_is_said(script: Path, root: Path, tmp_path: Path) -> None:
    """A checkout without .venv on a PATH where every Python is too old."""
    checkout = tmp_path / "a check out"
    checkout.mkdir()
    shutil.copy(script, checkout)
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(root / name, checkout)
    (checkout / "native").mkdir()
    for name in ("pyproject.toml", "needs.sh", "lock.sh"):
        shutil.copy(root / "native" / name, checkout / "native")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "env", "cat", "cksum", "dirname", "id", "uname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    done = run(checkout / "manage.sh", "status", PATH=str(tools))
    assert done.returncode == 4, done
    assert "No Python 3.11 or later found; install one (" in done.stderr
    assert not (checkout / ".venv").exists()


def test_no_nginx_and_no_right_to_install_it(bare_fleet: Fleet, tmp_path: Path) -> None:
    """The supervisor's own look; manage.sh installs it before, where it may."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text("import native.nginx as n\nn._SEARCHED = ''\n")
    path = os.pathsep.join([str(tmp_path), bare_fleet.environment()["PYTHONPATH"]])
    said = bare_fleet.run("up", PATH=str(tmp_path), PYTHONPATH=path)
    assert said.code == 4
    assert "nginx is not installed; install it with: " in said.err


def test_secrets_are_made_once_and_kept_private(tmp_path: Path, monkeypatch: Any) -> None:
    from native import settings  # noqa: PLC0415  # read under a cleaned environment

    for name in [name for name in os.environ if name.startswith("PITBOSS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PITBOSS_INNER_KEY", "given")
    (tmp_path / ".env").write_text("PITBOSS_PORT=9000")
    made = settings.ensure_secrets(tmp_path)
    assert "PITBOSS_ADMIN_KEY" in made
    assert "PITBOSS_INNER_KEY" not in made
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert settings.ensure_secrets(tmp_path) == []
    loaded = settings.load(tmp_path)
    assert (loaded.port, loaded.inner_key) == (9000, "given")
    assert len(loaded.admin_key) >= 24
    monkeypatch.setenv("PITBOSS_PORT", "9100")
    assert settings.load(tmp_path).port == 9100
