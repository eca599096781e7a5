"""What the log service is told, and its worker."""

from typing import Annotated

from pydantic import Field

from fleetkit.settings import Settings as FleetSettings
from ledger.access.settings import Settings as DoorSettings


class WorkerSettings(FleetSettings):
    """How long lines are kept, and whose file is read beside the stream."""

    log_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    log_follow: str = ""


class Settings(DoorSettings, WorkerSettings):
    """How much may wait for the worker."""

    log_stream_length: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    log_stream_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 40)] = 128 * 1024 * 1024
