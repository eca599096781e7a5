"""Settings: read once from PITBOSS_* variables, frozen, and a misspelt name is refused."""

import difflib
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any, Final, Literal, NoReturn, TypeVar

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "PITBOSS_"

KNOWN: Final = frozenset(
    {
        "PITBOSS_ADMIN_KEY",
        "PITBOSS_BIND",
        "PITBOSS_DATABASE_URL",
        "PITBOSS_ENVIRONMENT",
        "PITBOSS_ENVIRONMENTS",
        "PITBOSS_GATEWAYS",
        "PITBOSS_GATEWAY_PASSWORD",
        "PITBOSS_INNER_KEY",
        "PITBOSS_INNER_PORT",
        "PITBOSS_INNER_URL",
        "PITBOSS_INSTANCE",
        "PITBOSS_LOG_LEVEL",
        "PITBOSS_OWNER_PASSWORD",
        "PITBOSS_PORT",
        "PITBOSS_POSTGRES_PORT",
        "PITBOSS_PYTHON",
        "PITBOSS_REDIS_PORT",
        "PITBOSS_REDIS_URL",
        "PITBOSS_REPLICAS",
        "PITBOSS_SIMULATOR_PORT",
        "PITBOSS_STATE_DIR",
        "PITBOSS_TABLE_SERVICE_PASSWORD",
    }
)
"""Every setting of the fleet, since all processes are started with the same environment."""


class Settings(BaseSettings):
    """What every process of the fleet is told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: SecretStr
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    bind: str = "127.0.0.1:8000"
    instance: str = socket.gethostname()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        unlisted = {PREFIX + field.upper() for field in cls.model_fields} - KNOWN
        if unlisted:
            msg = f"{cls.__name__} reads {', '.join(sorted(unlisted))}, missing in settings.KNOWN"
            raise TypeError(msg)

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, text: str) -> str:
        split_bind(text)
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
        if not name.startswith(PREFIX) or name in KNOWN:
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


def _refuse(sentences: Iterable[str]) -> NoReturn:
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2)


def load(cls: type[AnySettings]) -> AnySettings:
    """Read the settings, or say in one sentence per problem what is wrong and exit with 2."""
    sentences = misspelt(os.environ)
    try:
        settings = cls()
    except ValidationError as error:
        _refuse([*sentences, *_sentences(error)])
    if sentences:
        _refuse(sentences)
    return settings
