"""Settings: read once from PITBOSS_* variables, frozen, and a misspelt name is refused."""

import difflib
import os
import socket
import sys
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeVar

from pydantic import SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX: Final = "PITBOSS_"
IN_FILE: Final = "_FILE"
"""A name that ends so gives the file that holds the setting, as containers are given secrets."""

KNOWN: Final = frozenset(
    {
        "PITBOSS_ADMIN_KEY",
        "PITBOSS_ADMIN_RATE_PER_SECOND",
        "PITBOSS_BATCH_MAX_CONCURRENT",
        "PITBOSS_BATCH_MIN_CONCURRENT",
        "PITBOSS_BIND",
        "PITBOSS_BUS_URL",
        "PITBOSS_CA_FILE",
        "PITBOSS_CORS_ORIGINS",
        "PITBOSS_DATABASE_URL",
        "PITBOSS_EDGE_BIND",
        "PITBOSS_EDGE_RATE",
        "PITBOSS_ENVIRONMENT",
        "PITBOSS_ENVIRONMENTS",
        "PITBOSS_GATEWAYS",
        "PITBOSS_GATEWAY_PASSWORD",
        "PITBOSS_INNER_KEY",
        "PITBOSS_INNER_PORT",
        "PITBOSS_INNER_URL",
        "PITBOSS_INSTANCE",
        "PITBOSS_KEY",
        "PITBOSS_LOG_FOLLOW",
        "PITBOSS_LOG_LEVEL",
        "PITBOSS_LOG_RETENTION_DAYS",
        "PITBOSS_LOG_SERVICE_PASSWORD",
        "PITBOSS_LOG_SHIP",
        "PITBOSS_LOG_STREAM_BYTES",
        "PITBOSS_LOG_STREAM_LENGTH",
        "PITBOSS_METRICS_SERVICE_PASSWORD",
        "PITBOSS_MODE",
        "PITBOSS_OWNER_PASSWORD",
        "PITBOSS_PORT",
        "PITBOSS_POSTGRES_PORT",
        "PITBOSS_POSTGRES_VIA",
        "PITBOSS_PYTHON",
        "PITBOSS_RATE_BURST",
        "PITBOSS_RATE_PER_SECOND",
        "PITBOSS_REDIS_PORT",
        "PITBOSS_REDIS_URL",
        "PITBOSS_REDIS_VIA",
        "PITBOSS_REPLICAS",
        "PITBOSS_SIMULATOR_PORT",
        "PITBOSS_STATE_DIR",
        "PITBOSS_TABLE_SERVICE_PASSWORD",
        "PITBOSS_TLS_CERT",
        "PITBOSS_TLS_KEY",
        "PITBOSS_TRUSTED_PROXIES",
        "PITBOSS_URL",
    }
)
"""Every setting of the fleet, since all processes are started with the same environment."""


class FileError(Exception):
    """A file that should hold a setting can't be used."""


def read_file(name: str) -> str | None:
    """Read the file that NAME_FILE points at, if that is set."""
    path = os.environ.get(name + IN_FILE)
    if not path:
        return None
    if os.environ.get(name):
        raise FileError(f"{name} and {name}{IN_FILE} are both set; leave one of them out.")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise FileError(f"{name}{IN_FILE}={path} can't be read: {reason}.") from error
    if not text:
        raise FileError(f"{name}{IN_FILE}={path} is empty.")
    return text


class _Files(PydanticBaseSettingsSource):
    """Settings from files, for those that the environment does not give itself."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return read_file(PREFIX + field_name.upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: text for name, text in found.items() if text is not None}


class Settings(BaseSettings):
    """What every process of the fleet is told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: SecretStr
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    bus_url: SecretStr = SecretStr("")
    bind: str = "127.0.0.1:8000"
    instance: str = socket.gethostname()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_ship: Literal["off", "on"] = "off"
    trusted_proxies: str = "127.0.0.1,::1"

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        unlisted = {PREFIX + field.upper() for field in cls.model_fields} - KNOWN
        if unlisted:
            msg = f"{cls.__name__} reads {', '.join(sorted(unlisted))}, missing in settings.KNOWN"
            raise TypeError(msg)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Files(settings_cls)

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, text: str) -> str:
        split_bind(text)
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, text: str) -> str:
        for one in text.split(","):
            ip_network(one.strip())
        return text

    @field_validator("database_url")
    @classmethod
    def _database_is_postgres(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return url

    @field_validator("redis_url")
    @classmethod
    def _cache_is_redis(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://")
        return url

    @field_validator("bus_url")
    @classmethod
    def _bus_is_known(cls, url: SecretStr) -> SecretStr:
        known = ("redis://", "rediss://", "unix://", "amqp://", "amqps://")
        if url.get_secret_value() and not url.get_secret_value().startswith(known):
            raise ValueError("must start with redis:// or amqp://")
        return url

    @property
    def bus(self) -> str:
        """Where the bus is: at Redis unless set."""
        return self.bus_url.get_secret_value() or self.redis_url.get_secret_value()


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def split_bind(bind: str) -> tuple[str, int]:
    """Split `127.0.0.1:8000` or `[::1]:8000`."""
    host, colon, port = bind.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004  # the last port there is
        raise ValueError("must be host:port, such as 127.0.0.1:8000")
    return host.removeprefix("[").removesuffix("]"), int(port)


def misspelt(names: Iterable[str]) -> list[str]:
    """Give a sentence for each PITBOSS_* name that no process of the fleet reads."""
    sentences = []
    for name in sorted(names):
        if not name.startswith(PREFIX) or name in KNOWN or name.removesuffix(IN_FILE) in KNOWN:
            continue
        known = [setting.removeprefix(PREFIX) for setting in KNOWN]
        close = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
        hint = f" Did you mean {PREFIX}{close[0]}?" if close else ""
        sentences.append(f"{name} is not a setting.{hint}")
    return sentences


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = PREFIX + "_".join(str(part) for part in problem["loc"]).upper()
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            sentences.append(f"{name} is not set.")
        else:
            sentences.append(f"{name} is wrong: {what[:1].lower()}{what[1:]}.")
    return sentences


def refuse(sentences: Iterable[str]) -> NoReturn:
    """Say what is wrong and exit with 2."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2)


def load(cls: type[AnySettings]) -> AnySettings:
    """Read the settings, or say in one sentence per problem what is wrong and exit with 2."""
    sentences = misspelt(os.environ)
    try:
        settings = cls()
    except ValidationError as error:
        refuse([*sentences, *_sentences(error)])
    except FileError as error:
        refuse([*sentences, str(error)])
    if sentences:
        refuse(sentences)
    return settings
