"""Base images under their official names, of Debian packages where no registry can be reached."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("standins")
RELEASE: Final = "bookworm"
NAMES: Final = {
    "python": "python:3.11-slim-bookworm",
    "nginx": "nginx:1.28-bookworm",
    "redis": "redis:7-bookworm",
    "postgres": "postgres:15-bookworm",
}
MINIMAL: Final = "pitboss-standin/minimal"
_AUTHORITIES: Final = Path("etc/ssl/certs/ca-certificates.crt")


def _run(*command: str, environment: dict[str, str] | None = None, seconds: float = 600) -> str:
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def _mirror() -> str:
    """Give the archive that this machine's apt uses."""
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)")
    found = re.search(rf"^(\S+/debian/?) {RELEASE}$", listed, re.MULTILINE)
    assert found, f"apt has no archive of {RELEASE}"
    return found[1]


def _unpack(cache: Path) -> Path:
    """Make a minimal Debian as a tar, once a machine."""
    packed = cache / f"{RELEASE}.tar"
    if packed.exists():
        return packed
    folder = Path(tempfile.mkdtemp(prefix="debian-", dir=cache))
    try:
        root = folder / "root"
        bare = ("--variant=minbase", "--include=ca-certificates")
        path = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        _run("debootstrap", *bare, RELEASE, str(root), _mirror(), environment=path)
        authorities = Path("/") / _AUTHORITIES
        if authorities.exists():  # this machine may trust more than Debian does
            shutil.copyfile(authorities, root / _AUTHORITIES)
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        _run("tar", "-C", str(root), "-cf", str(folder / "tar"), ".")
        (folder / "tar").replace(packed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return packed


def build(environment: dict[str, str], cache: Path) -> None:
    """Build them all; what has not changed is found built."""
    packed = _unpack(cache)
    made = hashlib.sha256(f"{packed.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    tag = f"{MINIMAL}:{made}"
    if not _run("docker", "images", "--quiet", tag, environment=environment).strip():
        _run("docker", "import", str(packed), tag, environment=environment)
    _run("docker", "tag", tag, MINIMAL, environment=environment)
    images = {"debian": "pitboss-standin/debian", **NAMES}
    for name, image in images.items():
        options = ["--quiet", "--network=host", "--tag", image]
        recipe = ["--file", str(FOLDER / f"{name}.Dockerfile"), str(FOLDER)]
        _run("docker", "build", *options, *recipe, environment=environment)
