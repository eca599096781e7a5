"""A line of a log: what it must be at the door, and how it lies in the stream."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
ERRORS: Final = ("error", "critical")
LONGEST_NAME: Final = 128
LONGEST_MESSAGE: Final = 16_384
LARGEST_METADATA: Final = 16_384
DEEPEST_METADATA: Final = 20
AHEAD: Final = timedelta(hours=1)
"""How far a device's clock may be ahead of ours."""

_LEVELS: Final = {
    **{level: level for level in LEVELS},
    "trace": "debug",
    "notice": "info",
    "warn": "warning",
    "fatal": "critical",
}
_ALIASES: Final = {
    "@timestamp": "timestamp",
    "log.level": "level",
    "service.name": "service",
    "trace.id": "trace_id",
    "host.name": "device_id",
    "event.id": "id",
}
_FIELDS: Final = frozenset(
    {"id", "timestamp", "device_id", "level", "service", "trace_id", "message", "metadata"}
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_SHOWN: Final = 60


class FaultError(Exception):
    """A line that can't be taken: which field, and why."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody logged. `once` is the sender's own id: under it a line is taken one time."""

    at: datetime
    device_id: str
    level: str
    message: str
    service: str | None = None
    trace_id: str | None = None
    metadata: str | None = None
    once: str | None = None

    def encode(self) -> bytes:
        """Write it as it lies in the stream."""
        return orjson.dumps(
            {
                "timestamp": self.at,
                "device_id": self.device_id,
                "level": self.level,
                "message": self.message,
                "service": self.service,
                "trace_id": self.trace_id,
                "metadata": orjson.Fragment(self.metadata) if self.metadata else None,
            }
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A line with its place: the id of its entry in the stream."""

    id: str
    received_at: datetime
    line: Line


@dataclass(frozen=True, slots=True)
class Span:
    """Of when a line may be."""

    oldest: datetime
    newest: datetime

    @classmethod
    def around(cls, now: datetime, days: int) -> "Span":
        return cls(now - timedelta(days=days), now + AHEAD)


def check(raw: object, *, now: datetime, span: Span | None) -> Line:
    """Make a line of what was sent, or say what is wrong with it; without a span any time does."""
    if not isinstance(raw, Mapping):
        raise FaultError("line", "must be an object")
    fields: dict[str, object] = {
        _ALIASES.get(str(name), str(name)): value for name, value in raw.items()
    }
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise FaultError(_show(unknown[0]), "there is no such field; what is your own is metadata")
    return Line(
        at=_time(fields.get("timestamp"), now, span),
        device_id=_name(fields, "device_id", needed=True) or "",
        level=_level(fields.get("level")),
        message=_message(fields),
        service=_name(fields, "service"),
        trace_id=_word(fields, "trace_id"),
        metadata=_metadata(fields.get("metadata")),
        once=_word(fields, "id"),
    )


def _show(text: str) -> str:
    return _CONTROL.sub("?", text[:_SHOWN])


def _time(value: object, now: datetime, span: Span | None) -> datetime:
    if value is None:
        return now
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        at = at.astimezone(UTC) if at and at.tzinfo else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise FaultError("timestamp", "must be a time such as 2026-11-21T09:00:00.000Z")
    if span is not None and at < span.oldest:
        raise FaultError("timestamp", "is older than logs are kept")
    if span is not None and at > span.newest:
        raise FaultError("timestamp", "is in the future")
    return at


def _level(value: object) -> str:
    if value is None:
        return "info"
    level = _LEVELS.get(value.lower()) if isinstance(value, str) else None
    if level is None:
        raise FaultError("level", f"must be one of {', '.join(LEVELS)}")
    return level


def _name(fields: Mapping[str, object], name: str, *, needed: bool = False) -> str | None:
    value = fields.get(name)
    if value is None and not needed:
        return None
    if value is None:
        raise FaultError(name, "is missing")
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_NAME or _CONTROL.search(value):
        raise FaultError(
            name, f"must be a text of 1 to {LONGEST_NAME} characters, no control characters"
        )
    return value


def _word(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise FaultError(name, "must be up to 64 letters, digits, dots, colons, dashes")
    return value


def _message(fields: Mapping[str, object]) -> str:
    value = fields.get("message")
    if value is None:
        raise FaultError("message", "is missing")
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_MESSAGE:
        raise FaultError("message", f"must be a text of 1 to {LONGEST_MESSAGE} characters")
    if "\x00" in value:
        raise FaultError("message", "has a NUL in it")
    return value


def _metadata(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise FaultError("metadata", "must be an object")
    if _is_deeper(value, DEEPEST_METADATA):
        raise FaultError("metadata", f"is nested deeper than {DEEPEST_METADATA}")
    written = orjson.dumps(value)
    if len(written) > LARGEST_METADATA:
        raise FaultError("metadata", f"is larger than {LARGEST_METADATA} bytes")
    if rb"\u0000" in written:
        raise FaultError("metadata", "has a NUL in it")
    return written.decode()


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, Mapping | list):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, Mapping) else value
    return any(_is_deeper(one, levels - 1) for one in inner)
