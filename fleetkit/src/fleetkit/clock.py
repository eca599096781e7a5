"""Time as an argument: what services take instead of calling datetime and asyncio themselves."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Protocol

from pydantic import PlainSerializer, WithJsonSchema


class Clock(Protocol):
    """What anything that needs the time is given."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def rfc3339(dt: datetime) -> str:
    utc = dt.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""A datetime for pydantic models, answered as the contract says: UTC with milliseconds."""
