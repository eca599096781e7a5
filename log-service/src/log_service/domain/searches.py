"""What is searched for: filters, the page, and whether a line that comes in is of it."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from log_service.domain.lines import Line

MOST: Final = 1000
USUAL: Final = 100
SETTLED: Final = timedelta(seconds=60)
"""A range that ended so long ago gets no more lines, but for those of devices that were cut off."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR: Final = re.compile(r"([0-9]{1,17})\.([0-9]{13,20}-[0-9]{6,20})", re.ASCII)
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines; what is None is not asked."""

    device_id: str | None = None
    levels: tuple[str, ...] = ()
    service: str | None = None
    trace_id: str | None = None
    q: str | None = None
    metadata: str | None = None

    def takes(self, line: Line) -> bool:
        """Tell whether a line is of it, as the search would but for quotes, `or` and `-`."""
        return (
            (self.device_id is None or line.device_id == self.device_id)
            and (not self.levels or line.level in self.levels)
            and (self.service is None or line.service == self.service)
            and (self.trace_id is None or line.trace_id == self.trace_id)
            and (self.q is None or _words(self.q) <= _words(line.message))
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended."""

    at: datetime
    id: str

    def cursor(self) -> str:
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return base64.urlsafe_b64encode(f"{micros}.{self.id}".encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Search:
    """A filter over a range of time, one page of it."""

    filter: Filter
    since: datetime | None = None
    until: datetime | None = None
    after: Place | None = None
    oldest_first: bool = False
    limit: int = USUAL

    def is_settled(self, now: datetime) -> bool:
        """Tell whether the answer will be the same in a minute."""
        ends = [self.until] if self.until else []
        if self.after is not None and not self.oldest_first:
            ends.append(self.after.at)
        return bool(ends) and min(ends) < now - SETTLED


def read_cursor(text: str) -> Place | None:
    """Read a cursor; None when it is none of ours."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    match = _CURSOR.fullmatch(plain)
    if match is None:
        return None
    try:
        return Place(_EPOCH + timedelta(microseconds=int(match[1])), match[2])
    except OverflowError:
        return None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
