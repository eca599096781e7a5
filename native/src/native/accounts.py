"""The unprivileged account that Postgres and nginx workers run under when we are root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from native.refusals import Missing

_NAME: Final = "pitboss"
_FALLBACK: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create() -> Account | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:" + os.environ.get("PATH", ""))
    if useradd is None:
        return None
    options = ("--system", "--no-create-home", "--home-dir=/nonexistent")
    subprocess.run(  # noqa: S603  # our own arguments
        [useradd, *options, "--shell=/usr/sbin/nologin", _NAME],
        check=False,
        capture_output=True,
    )
    return _find(_NAME)


def choose(data: Path | None = None) -> Account | None:
    """Give the account to step down to: the owner of existing data, ours, or nobody."""
    if os.geteuid() != 0:
        return None
    if data is not None and data.exists() and data.stat().st_uid != 0:
        entry = pwd.getpwuid(data.stat().st_uid)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    account = _find(_NAME) or _create() or _find(_FALLBACK)
    if account is None:
        raise Missing(
            "Postgres refuses to run as root and no other user was found; "
            "create one with: useradd --system pitboss"
        )
    return account


def may_enter(account: Account, path: Path) -> bool:
    """Tell whether the account can walk down to the path."""
    for folder in (path, *path.parents):
        if not folder.is_dir():
            continue
        status = folder.stat()
        wanted = 0o001
        if status.st_uid == account.uid:
            wanted = 0o100
        elif status.st_gid == account.gid:
            wanted = 0o010
        if not status.st_mode & wanted:
            return False
    return True
