"""Every room is where the house rules say, and none has grown too large."""

import subprocess
import sys
import tomllib
from pathlib import Path

MOST_LINES = 300
VAGUE = {"utils", "helpers", "common", "base", "manager", "data", "impl"}
ROOMS = ("domain", "adapters", "services", "api")
PARTS = ("__main__", "app", "deps", "lifespan", "settings")


def _packages(root: Path) -> dict[str, Path]:
    """Give each workspace member's folder of modules, by the member's folder."""
    workspace = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    return {
        member: root
        / member
        / "src"
        / tomllib.loads((root / member / "pyproject.toml").read_text())["tool"]["uv"][
            "build-backend"
        ]["module-name"]
        for member in workspace["members"]
    }


def test_no_file_is_too_long(texts: dict[str, str]) -> None:
    long = {
        path: lines
        for path, text in texts.items()
        if path.endswith((".py", ".sh", ".js")) or path == ".ci/run"
        if "/console/vendor/" not in path
        if (lines := text.count("\n")) >= MOST_LINES
    }
    assert not long


def test_no_module_has_a_vague_name(texts: dict[str, str]) -> None:
    assert not [path for path in texts if path.endswith(".py") and Path(path).stem in VAGUE]


def test_every_package_is_a_member_and_has_its_parts(root: Path) -> None:
    packages = _packages(root)
    assert sorted(packages) == sorted(path.parent.name for path in root.glob("*/pyproject.toml"))
    wanted = [root / member / "README.md" for member in packages]
    wanted += [
        folder / name for folder in packages.values() for name in ("__init__.py", "py.typed")
    ]
    assert not [path for path in wanted if not path.is_file()]


def test_every_service_has_its_rooms_and_parts(root: Path) -> None:
    services = [folder for folder in _packages(root).values() if (folder / "app.py").exists()]
    assert {folder.name for folder in services} >= {"gateway", "table_service"}
    wanted = [folder / room / "__init__.py" for folder in services for room in ROOMS]
    wanted += [folder / f"{part}.py" for folder in services for part in PARTS]
    assert not [path for path in wanted if not path.is_file()]


def test_all_packages_have_one_version_and_the_changelog_tells_of_it(root: Path) -> None:
    versions = {
        tomllib.loads(path.read_text())["project"]["version"]
        for path in (root / "pyproject.toml", *root.glob("*/pyproject.toml"))
    }
    assert len(versions) == 1
    assert f"## [{versions.pop()}]" in (root / "CHANGELOG.md").read_text()


def test_imports_keep_their_contracts(root: Path) -> None:
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout[lint.stdout.find("Contracts\n") :] + lint.stderr


def test_ci_runs_the_command_of_the_readme(root: Path) -> None:
    script = root / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().splitlines()[-1] == "exec ./manage.sh test"
    assert "./manage.sh test" in (root / "README.md").read_text()
