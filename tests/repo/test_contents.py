"""Nothing is in the repository that must not be: addresses, machine paths, secrets, loose pins."""

import re
from pathlib import Path

import pytest

# Put together here, so that this file is not what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("registry-1", "docker", "io"),
        ("hub", "docker", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
MACHINE = re.compile(r"(?<![\w.}])/(?:work|farm|home|Users|root)/\w")
SECRETS = {
    "a JSON web token": re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a cloud key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a forge's token": re.compile(r"\b(?:gh[opsu]_|glpat-|xox[bp]-)[\w-]{16,}"),
}
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+ (?:; [^#]+ )? *(?:--hash=sha256:[0-9a-f]{64}\s*)+$")


def test_no_registry_is_named(texts: dict[str, str]) -> None:
    assert not [(p, name) for p, text in texts.items() for name in REGISTRIES if name in text]


def test_no_path_of_one_machine_is_named(texts: dict[str, str]) -> None:
    assert not {p: hit[0] for p, text in texts.items() if (hit := MACHINE.search(text))}


def test_no_secret_is_kept(texts: dict[str, str]) -> None:
    assert not [
        (path, what)
        for path, text in texts.items()
        for what, looks in SECRETS.items()
        if looks.search(text)
    ]


@pytest.mark.parametrize("path", ["requirements.lock", "tests/bench/requirements.lock"])
def test_a_lock_has_a_hash_for_each_pin_and_no_address(texts: dict[str, str], path: str) -> None:
    lock = texts[path]
    assert "://" not in lock
    pins = [line for line in lock.replace("\\\n", " ").splitlines() if line]
    assert pins
    assert not [pin for pin in pins if not PIN.match(pin)]


def test_secrets_are_ignored(root: Path) -> None:
    ignored = (root / ".gitignore").read_text().splitlines()
    assert {".env", ".native/", ".venv/", "uv.lock"} <= set(ignored)
