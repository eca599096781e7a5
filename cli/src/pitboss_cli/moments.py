"""Moments as people write them, and times as they read them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_AGE: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse(text: str, now: datetime) -> datetime | None:
    """Read `2026-11-21T09:00:00Z`, or how long ago: `90s`, `15m`, `2h`, `3d`."""
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def write(moment: datetime) -> str:
    """Give the moment as the API writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show(text: object) -> str:
    """Give a time of an answer on the reader's own clock, the date only if it is another day."""
    if not isinstance(text, str):
        return ""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return text
    today = datetime.now(UTC).astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S}"
