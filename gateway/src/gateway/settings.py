"""What a gateway is told."""

import re
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from ledger.access.settings import Settings as DoorSettings

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")


class Settings(DoorSettings):
    """Where the inner door is, and the key shown there."""

    inner_url: str = "http://127.0.0.1:8081"
    inner_key: SecretStr
    cors_origins: str = ""
    batch_min_concurrent: Annotated[int, Field(ge=1, le=1000)] = 4
    batch_max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 64

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        wrong = [one for one in _split(text) if not _ORIGIN.fullmatch(one)]
        if wrong:
            raise ValueError("must be origins such as https://console.example, with commas between")
        return text

    @property
    def origins(self) -> tuple[str, ...]:
        """The pages, beside our own, whose scripts may call; none unless set."""
        return _split(self.cors_origins)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))
