"""Prints the pins of what the named folders' packages need from outside, taken from the lock.

Runs in an image's build stage, before the packages' own code is copied, so that this layer changes
only with the lock or a pyproject.toml. What those need in turn is held by the lock as constraints.
"""

import re
import sys
import tomllib
from pathlib import Path

OURS = "pitboss-"


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(folders: list[str]) -> None:
    locked: dict[str, list[str]] = {}
    for line in Path("requirements.lock").read_text().splitlines():
        if found := re.match(r"([A-Za-z0-9._-]+)(==.*?) ?\\?$", line):
            locked.setdefault(normalize(found[1]), []).append(found[2])
    wanted: dict[str, str] = {}
    for folder in folders:
        project = tomllib.loads(Path(folder, "pyproject.toml").read_text())["project"]
        for requirement in project["dependencies"]:
            name, extras = re.match(r"([A-Za-z0-9._-]+)(\[.*?\])?", requirement).groups()  # type: ignore[union-attr]
            if not name.startswith(OURS):
                wanted[normalize(name)] = extras or ""
    if missing := sorted(set(wanted) - set(locked)):
        sys.exit(f"requirements.lock lacks {', '.join(missing)}; remake it with: ./manage.sh lock")
    for name in sorted(wanted):
        for pin in locked[name]:
            sys.stdout.write(f"{name}{wanted[name]}{pin}\n")


main(sys.argv[1:])
