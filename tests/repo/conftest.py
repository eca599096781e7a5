"""The checkout as it would be committed: what .gitignore names is left out."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _walk(ignored: list[str]) -> Iterator[Path]:
    def is_kept(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in ignored)

    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(filter(is_kept, below))
        yield from (Path(folder, name) for name in sorted(filter(is_kept, names)))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """List every file of the repository."""
    patterns = [line.strip("/ ") for line in (ROOT / ".gitignore").read_text().splitlines()]
    return list(_walk([".git", *filter(None, patterns)]))


@pytest.fixture(scope="session")
def texts(files: list[Path]) -> dict[str, str]:
    """Give every text file's content by its path in the repository."""
    found = {}
    for path in files:
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


@pytest.fixture(scope="session")
def documents(texts: dict[str, str]) -> dict[str, str]:
    """Give the texts of the Markdown files."""
    return {path: text for path, text in texts.items() if path.endswith(".md")}
