"""Secrets by reference: read when used, read again when changed, never kept in ledger or log."""

import os
import re
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from fleetkit import errors
from fleetkit.settings import PREFIX

LARGEST: Final = 16 * 1024

# A file that changed this recently may change again without its time showing it.
_YOUNG_S: Final = 2.0

# What a header can carry; anything else would be refused on the way, with the secret in the error.
_SENDABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file's secret, and the looks of the file when it was read."""

    looks: tuple[int, int, int, int]
    settled: bool
    value: str = field(repr=False)


class Secrets:
    """The secrets this replica has read; a replaced or rewritten file is read again."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def read(self, reference: str | None) -> str | None:
        """Read `env:NAME` or `file:/path`; a reference that leads nowhere is told, not ignored."""
        if reference is None:
            return None
        kind, _, where = reference.partition(":")
        if kind == "env":
            return _check(reference, self._variable(reference, where))
        try:
            return self._file(reference, where)
        except (OSError, ValueError) as error:
            self._kept.pop(where, None)
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            _refuse(f"The secret {reference} can't be read: {reason}.", code="secret_missing")

    @staticmethod
    def _variable(reference: str, name: str) -> str:
        value = os.environ.get(name)
        if name.startswith(PREFIX):
            _refuse(
                f"{reference} is the fleet's own; it is sent to no table.", code="secret_unusable"
            )
        if value is None:
            _refuse(f"The secret {reference} is not in this process.", code="secret_missing")
        return value

    def _file(self, reference: str, where: str) -> str:
        found = os.stat(where)  # noqa: PTH116  # on the way of every call: Path costs thrice that
        looks = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        kept = self._kept.get(where)
        if kept is not None and kept.settled and kept.looks == looks:
            return kept.value
        if not stat.S_ISREG(found.st_mode):
            _refuse(f"The secret {reference} is no file.", code="secret_unusable")
        if found.st_size > LARGEST:
            _refuse(f"The secret {reference} is larger than 16 KiB.", code="secret_unusable")
        settled = time.time() - found.st_mtime > _YOUNG_S
        value = _check(reference, Path(where).read_text(encoding="utf-8").strip())
        self._kept[where] = _Kept(looks, settled, value)
        return value


def read(reference: str | None) -> str | None:
    """Read it this once, and keep nothing."""
    return Secrets().read(reference)


def _check(reference: str, value: str) -> str:
    if not value:
        _refuse(f"The secret {reference} is empty.", code="secret_unusable")
    if not _SENDABLE.fullmatch(value):
        _refuse(
            f"The secret {reference} is more than one line of plain ASCII.", code="secret_unusable"
        )
    return value


def _refuse(detail: str, *, code: str) -> NoReturn:
    raise errors.Unavailable(detail, code=code) from None
