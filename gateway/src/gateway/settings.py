"""What a gateway is told."""

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from fleetkit.settings import Settings as FleetSettings
from ledger.domain.actors import Rate

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


class Settings(FleetSettings):
    """Where the inner door is, the key shown there, and the first admin's key."""

    inner_url: str = "http://127.0.0.1:8081"
    inner_key: SecretStr
    admin_key: SecretStr
    cors_origins: str = ""
    batch_min_concurrent: Annotated[int, Field(ge=1, le=1000)] = 4
    batch_max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 64
    rate_per_second: Annotated[float, Field(gt=0, le=100_000)] = 50
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    admin_rate_per_second: Annotated[float, Field(ge=0, le=100_000)] = 0

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        wrong = [one for one in _split(text) if not _ORIGIN.fullmatch(one)]
        if wrong:
            raise ValueError("must be origins such as https://console.example, with commas between")
        return text

    @property
    def rate(self) -> Rate:
        """How often a key may ask that was given no rate of its own."""
        return Rate(self.rate_per_second, self.rate_burst)

    @property
    def admin_rate(self) -> Rate | None:
        """How often the admin key may ask; as often as it likes unless set."""
        per_second = self.admin_rate_per_second
        return Rate(per_second, max(1, round(2 * per_second))) if per_second else None

    @property
    def origins(self) -> tuple[str, ...]:
        """The pages, beside our own, whose scripts may call; none unless set."""
        return _split(self.cors_origins)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))
