"""What every service is told whose door asks for keys."""

from typing import Annotated

from pydantic import Field, SecretStr

from fleetkit.settings import Settings as FleetSettings
from ledger.domain.actors import Rate


class Settings(FleetSettings):
    """The first admin's key, and how often keys may ask."""

    admin_key: SecretStr
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] = 50
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    admin_rate_per_second: Annotated[float, Field(ge=0, le=100_000)] = 0

    @property
    def rate(self) -> Rate:
        """How often a key may ask that was given no rate of its own."""
        return Rate(self.rate_per_second, self.rate_burst)

    @property
    def admin_rate(self) -> Rate | None:
        """How often the admin key may ask; as often as it likes unless set."""
        per_second = self.admin_rate_per_second
        return Rate(per_second, max(1, round(2 * per_second))) if per_second else None
