"""What the metrics-service is told: the fleet's settings, and its own documented MPS_* names."""

import difflib
import os
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fleetkit import settings as fleet
from ledger.access.settings import Settings as DoorSettings

MPS: Final = "MPS_"
_INSTEAD: Final = {
    "database_url": "MPS_POSTGRES_URL",
    "redis_url": "MPS_REDIS_URL",
    "bus_url": "MPS_RABBITMQ_URL",
}
"""The documented names of what the whole fleet has a name for; here they go first."""


class _Documented(PydanticBaseSettingsSource):
    """The addresses under their documented names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return os.environ.get(_INSTEAD.get(field_name, "")) or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        names = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in names}
        return {name: text for name, text in found.items() if text is not None}


class Settings(DoorSettings):
    """What the fleet is told; the documented names of it go first."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        usual = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return usual[0], _Documented(settings_cls), *usual[1:]


class Tuning(BaseSettings):
    """How it counts and when it warns."""

    model_config = SettingsConfigDict(
        env_prefix=MPS, frozen=True, extra="forbid", env_ignore_empty=True
    )

    window_size: Annotated[int, Field(ge=1, le=3600)] = 60
    agg_interval: Annotated[int, Field(ge=1, le=60)] = 5
    p95_threshold: Annotated[float, Field(gt=0)] = 500.0
    error_threshold: Annotated[float, Field(gt=0, le=1)] = 0.05
    min_sample: Annotated[int, Field(ge=1)] = 20
    alert_for: Annotated[float, Field(ge=0)] = 10.0
    alert_clear: Annotated[float, Field(ge=0)] = 30.0
    anomaly: Annotated[float, Field(ge=0)] = 0.0
    webhook_url: SecretStr = SecretStr("")
    spool_dir: str = ""

    @field_validator("agg_interval")
    @classmethod
    def _divides_a_minute(cls, seconds: int) -> int:
        if 60 % seconds:
            raise ValueError("must go into a minute without a rest, as rollups are of minutes")
        return seconds


KNOWN: Final = frozenset(
    {*_INSTEAD.values(), *(MPS + name.upper() for name in Tuning.model_fields)}
)


def load() -> tuple[Settings, Tuning]:
    """Read both, or say in one sentence per problem what is wrong and exit with 2."""
    sentences = []
    for name in sorted(name for name in os.environ if name.startswith(MPS) and name not in KNOWN):
        close = difflib.get_close_matches(name, KNOWN, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        sentences.append(f"{name} is not a setting.{hint}")
    try:
        tuning = Tuning()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            what = problem["msg"].removeprefix("Value error, ")
            where = MPS + "_".join(str(part) for part in problem["loc"]).upper()
            sentences.append(f"{where} is wrong: {what[:1].lower()}{what[1:]}.")
        tuning = Tuning.model_construct()
    if sentences:
        fleet.refuse(sentences)
    return fleet.load(Settings), tuning
