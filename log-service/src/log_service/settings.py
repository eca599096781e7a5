"""What the log service is told, and its worker."""

from typing import Annotated

from pydantic import Field, SecretStr

from fleetkit.settings import Settings as FleetSettings
from ledger.domain.actors import Rate


class WorkerSettings(FleetSettings):
    """How long lines are kept, and whose file is read beside the stream."""

    log_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    log_follow: str = ""


class Settings(WorkerSettings):
    """The first admin's key, how often keys may ask, and how much may wait for the worker."""

    admin_key: SecretStr
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] = 50
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    admin_rate_per_second: Annotated[float, Field(ge=0, le=100_000)] = 0
    log_stream_length: Annotated[int, Field(ge=1, le=10_000_000)] = 200_000
    log_stream_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 40)] = 128 * 1024 * 1024

    @property
    def rate(self) -> Rate:
        """How often a key may ask that was given no rate of its own."""
        return Rate(self.rate_per_second, self.rate_burst)

    @property
    def admin_rate(self) -> Rate | None:
        """How often the admin key may ask; as often as it likes unless set."""
        per_second = self.admin_rate_per_second
        return Rate(per_second, max(1, round(2 * per_second))) if per_second else None
