"""Identifiers: ULIDs, so that they sort by the time they were made."""

import re

from ulid import ULID

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


def new() -> str:
    return str(ULID())


def is_ulid(text: str) -> bool:
    return _ULID.fullmatch(text) is not None
