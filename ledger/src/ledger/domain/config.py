"""The configuration document of one environment, validated when it comes in and when it is read."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from ledger.domain import results

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_-]{0,31}$")]
# Another code of the environment, or another address of it.
Backup = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63}|https?://[!-~]{1,500})$")
]
SecretRef = Annotated[str, StringConstraints(max_length=256)]

# The fleet's own variables are no secrets of a table: they must not go out to its address.
_REFERENCE = re.compile(r"^(env:(?!PITBOSS_)[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f\x7f]+)$")


def _refuse(title: str, wrong: Iterable[tuple[tuple[str | int, ...], str]]) -> None:
    """Refuse values that don't fit each other, each by the place it has in the document."""
    found = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", "{it}", {"it": it}), loc=at, input=None
        )
        for at, it in wrong
    ]
    if found:
        raise ValidationError.from_exception_data(title, found)


def _check_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError("is no address: write https://host:port/path")
    if "@" in parts.netloc:
        raise ValueError(
            "holds a user or password: give signature or table_token as a reference instead"
        )
    return url


class _Document(BaseModel):
    # Strict: a number in quotes is a mistake to be told, not to be mended.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class Timeouts(_Document):
    """How long each operation of the Table API may take."""

    connect: Milliseconds = 500
    start: Milliseconds = 2000
    bet_stop: Milliseconds = Field(default=2000, alias="bet-stop")
    deal: Milliseconds = 2000
    finish: Milliseconds = 2000
    cancel: Milliseconds = 2000
    get: Milliseconds = 1000

    def of(self, operation: str) -> timedelta:
        value: int = getattr(self, operation.replace("-", "_"), self.start)
        return timedelta(milliseconds=value)


class Limits(_Document):
    """The bulkheads: of the environment, and of one target so that it can't take them all."""

    concurrency: int = Field(default=100, ge=1, le=10_000)
    per_target: int = Field(default=4, ge=1, le=100)
    requests_per_second: float | None = Field(default=None, gt=0, le=100_000)


class Scaling(_Document):
    """How many replicas the environment's pool may have."""

    min_instances: int = Field(default=2, ge=1, le=100)
    max_instances: int = Field(default=10, ge=1, le=100)
    auto_scale: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_instances > self.max_instances:
            sentence = f"{self.min_instances} is above max_instances, {self.max_instances}"
            _refuse("Scaling", [(("min_instances",), sentence)])
        return self


class Target(_Document):
    """One Table API table of the environment, and the physical table it mirrors."""

    id: Name
    table: Name = ""
    type: str
    priority: int = Field(default=1, ge=0, le=1000)
    enabled: bool = True
    required: bool | None = None
    bet_stop: Literal["auto", "driver"] = "auto"
    finish_policy: Literal["manual", "auto"] = "manual"
    deal_to_finish_ms: int = Field(default=0, ge=0, le=600_000)
    timecode_offset_ms: int = Field(default=0, ge=-60_000, le=60_000)
    on_failure: Literal["rejoin"] = "rejoin"
    backups: tuple[Backup, ...] = Field(default=(), max_length=10, strict=False)

    @model_validator(mode="before")
    @classmethod
    def _mirrors_itself(cls, document: object) -> object:
        if isinstance(document, dict) and not document.get("table"):
            return {**document, "table": document.get("id", "")}
        return document

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        known = results.normalize_type(value)
        if known is None:
            raise ValueError(f"unknown game type; known are {', '.join(sorted(results.FIELD))}")
        return known

    @model_validator(mode="after")
    def _other_backups(self) -> Self:
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        for place, backup in enumerate(self.backups):
            at = ("backups", place)
            if backup == self.id:
                wrong.append((at, f"{backup} can't be a backup of itself"))
            elif backup in self.backups[:place]:
                wrong.append((at, f"{backup} stands twice in the list"))
            elif "://" in backup:
                try:
                    _check_address(backup)
                except ValueError as error:
                    wrong.append((at, str(error)))
        _refuse("Target", wrong)
        return self


class Environment(_Document):
    """One deployment of the Table API and the targets it mirrors."""

    environment: EnvironmentName
    base_url: Annotated[
        str, StringConstraints(pattern=r"^https?://[^\s?#\x00-\x1f\x7f]+$", max_length=512)
    ]
    primary: bool = False
    verify_tls: bool = True
    header_profile: Literal["los"] = "los"
    signature: SecretRef | None = None
    table_token: SecretRef | None = None
    session: bool = True
    timeouts_ms: Timeouts = Timeouts()
    limits: Limits = Limits()
    scaling: Scaling = Scaling()
    tables: tuple[Target, ...] = Field(max_length=10_000, strict=False)

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return _check_address(value)

    @field_validator("signature", "table_token")
    @classmethod
    def _a_reference(cls, value: str | None) -> str | None:
        if value is not None and not _REFERENCE.match(value):
            raise ValueError("a secret is given as a reference, env:NAME or file:/path, not itself")
        return value

    @model_validator(mode="after")
    def _distinct_targets(self) -> Self:
        seen: set[str] = set()
        types: dict[str, str] = {}
        wrong: list[tuple[tuple[str | int, ...], str]] = []
        for place, target in enumerate(self.tables):
            if target.id in seen:
                wrong.append((("tables", place, "id"), f"{target.id} stands twice in the list"))
            seen.add(target.id)
            known = types.setdefault(target.table, target.type)
            if target.type != known:
                sentence = f"{target.table} has another target that is {known}, not {target.type}"
                wrong.append((("tables", place, "type"), sentence))
        _refuse("Environment", wrong)
        return self

    def target(self, game_code: str) -> Target | None:
        return next((one for one in self.tables if one.id == game_code), None)

    def required(self, target: Target) -> bool:
        return self.primary if target.required is None else target.required


class Mirror(BaseModel):
    """A target of a physical table together with the environment version it was read from."""

    model_config = ConfigDict(frozen=True)

    environment: Environment
    version: int
    target: Target

    @property
    def required(self) -> bool:
        return self.environment.required(self.target)


def mirrors(versions: Iterable[tuple[int, Environment]], table: str) -> list[Mirror]:
    """List the enabled targets of a physical table: required first, then by priority and name."""
    found = [
        Mirror.model_construct(environment=environment, version=version, target=target)
        for version, environment in versions
        for target in environment.tables
        if target.table == table and target.enabled
    ]
    return sorted(
        found,
        key=lambda m: (not m.required, m.target.priority, m.environment.environment, m.target.id),
    )
