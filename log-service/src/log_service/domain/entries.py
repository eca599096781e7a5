"""What lies in the stream, read back: lines from the door, and the fleet's own as logged."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from log_service.domain.lines import (
    LARGEST_METADATA,
    LEVELS,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    FaultError,
    Line,
    Stored,
    check,
)

_OWN: Final = {
    "@timestamp",
    "log.level",
    "message",
    "service.name",
    "service.instance",
    "trace.id",
}
_TRACE_LONGEST: Final = 64


class UnreadableError(Exception):
    """An entry that can never be written, and why."""


def place(entry_id: str) -> str:
    """Write a stream's id so that ids sort as the entries came."""
    ms, _, number = entry_id.partition("-")
    return f"{ms:0>13}-{number:0>6}"


def read(entry_id: str, fields: Mapping[str, bytes], at: datetime | None) -> Stored:
    """Read an entry, or say why it can't be."""
    received = at or datetime.now(UTC)
    try:
        if "ecs" in fields:
            line = _of_the_fleet(orjson.loads(fields["ecs"]), received)
        elif "body" in fields:
            line = check(orjson.loads(fields["body"]), now=received, span=None)
        else:
            raise UnreadableError("It has neither a body nor ecs.")
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"It is not JSON: {error}.") from error
    except (AttributeError, FaultError, TypeError, ValueError) as error:
        raise UnreadableError(str(error)) from error
    return Stored(place(entry_id), received, line)


def _of_the_fleet(raw: Mapping[str, Any], received: datetime) -> Line:
    """Take what our own processes logged: cut down, never refused."""
    service = _clean(raw.get("service.name"), LONGEST_NAME) or "fleet"
    level = str(raw.get("log.level", "info")).lower()
    rest = {name: value for name, value in raw.items() if name not in _OWN}
    metadata = orjson.dumps(rest).decode().replace("\\u0000", "") if rest else None
    if metadata is not None and len(metadata.encode()) > LARGEST_METADATA:
        metadata = orjson.dumps({"cut": _clean(metadata, LARGEST_METADATA // 8)}).decode()
    try:
        at = datetime.fromisoformat(str(raw.get("@timestamp")))
    except ValueError:
        at = received
    return Line(
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
        device_id=_clean(raw.get("service.instance"), LONGEST_NAME) or service,
        level=level if level in LEVELS else "info",
        message=_clean(raw.get("message"), LONGEST_MESSAGE) or "-",
        service=service,
        trace_id=_clean(raw.get("trace.id"), _TRACE_LONGEST) or None,
        metadata=metadata,
    )


def _clean(value: object, most: int) -> str:
    return "" if value is None else str(value)[:most].replace("\x00", "")
