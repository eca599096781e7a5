"""Secrets by reference: read when used, never kept in the ledger or a log."""

import os
from pathlib import Path

from fleetkit import errors


def read(reference: str | None) -> str | None:
    """Read `env:NAME` or `file:/path`; a reference that leads nowhere is told, not ignored."""
    if reference is None:
        return None
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where)
        if value is None:
            raise errors.Unavailable(
                f"The secret {reference} is not in this process's environment.",
                code="secret_missing",
            )
        return value
    try:
        return Path(where).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise errors.Unavailable(
            f"The secret {reference} can't be read: {error.strerror}.", code="secret_missing"
        ) from error
