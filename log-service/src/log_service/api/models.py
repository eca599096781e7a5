"""What is sent and answered, for the API's description."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleetkit.clock import Timestamp
from log_service.domain.lines import LONGEST_MESSAGE, LONGEST_NAME

Level = Literal["debug", "info", "warning", "error", "critical"]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class LineSent(BaseModel):
    """One line; `@timestamp`, `log.level`, `service.name`, `trace.id`, `host.name` do as well."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "device_id": "wheel-07",
                    "level": "error",
                    "message": "The ball left the wheel.",
                    "service": "wheel-controller",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "metadata": {"table": "ARO-001", "rpm": 31.5},
                }
            ]
        },
    )

    device_id: Name
    message: Annotated[str, Field(min_length=1, max_length=LONGEST_MESSAGE)]
    level: Level = Field(default="info", description="In any case; warn and fatal do as well.")
    timestamp: str | None = Field(default=None, description="RFC 3339; the time it came, unless.")
    service: Name | None = None
    trace_id: Word | None = None
    metadata: dict[str, Any] | None = Field(default=None, description="16 KiB, 20 levels deep.")
    id: Word | None = Field(
        default=None,
        description="The sender's own id: sent again within a day under it, a line counts once.",
    )


class LineTaken(BaseModel):
    """The line is safe; it can be found within a second."""

    id: str


class LineFault(BaseModel):
    """What is wrong with a line; the first line is 1."""

    line: int
    field: str
    detail: str


class BatchTaken(BaseModel):
    """Ids of the lines taken, in order, and what was wrong with the others."""

    accepted: int
    ids: list[str]
    rejected: list[LineFault]


class LogLine(BaseModel):
    """A line as it was found."""

    at: Timestamp
    id: str
    received_at: Timestamp
    device_id: str
    level: Level
    service: str | None
    trace_id: str | None
    message: str
    metadata: dict[str, Any] | None


class LogPage(BaseModel):
    """A page; `next` is the cursor of the one after it."""

    logs: list[LogLine]
    next: str | None


class DeadEntry(BaseModel):
    """An entry of the stream that could not be written."""

    id: str
    entry: str
    reason: str
    body: str = Field(description="The first 1000 characters of it.")


class DeadEntries(BaseModel):
    """How many there are, and the oldest of them."""

    total: int
    entries: list[DeadEntry]


class Replayed(BaseModel):
    """How many entries were put into the stream again."""

    replayed: int


class DeviceCount(BaseModel):
    """What a device logged."""

    device_id: str
    lines: int
    errors: int


class HourCount(BaseModel):
    """What was logged in an hour."""

    hour: Timestamp
    lines: int
    errors: int


class Stats(BaseModel):
    """Counts; devices are the 100 that logged most."""

    total: int
    levels: dict[Level, int]
    devices: list[DeviceCount]
    hours: list[HourCount]


class Device(DeviceCount):
    """A device that has logged."""

    first_seen_at: Timestamp
    last_seen_at: Timestamp
    last_level: Level
    service: str | None


class DevicePage(BaseModel):
    """A page of devices by name; `next` is the cursor of the one after it."""

    devices: list[Device]
    next: str | None
