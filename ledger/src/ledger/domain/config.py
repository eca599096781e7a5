"""The configuration document of one environment, validated when it comes in and when it is read."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from ledger.domain import results

Milliseconds = Annotated[int, Field(ge=1, le=60_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_-]{0,31}$")]
# Another code of the environment, or another address of it.
Backup = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63}|https?://[!-~]{1,500})$")
]
SecretRef = Annotated[str, StringConstraints(max_length=256)]

_REFERENCE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f\x7f]+)$")


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


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
            raise ValueError("min_instances is above max_instances")
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
    backups: tuple[Backup, ...] = Field(default=(), max_length=10)

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
    tables: tuple[Target, ...] = Field(max_length=10_000)

    @field_validator("signature", "table_token")
    @classmethod
    def _a_reference(cls, value: str | None) -> str | None:
        if value is not None and not _REFERENCE.match(value):
            raise ValueError("a secret is given as a reference, env:NAME or file:/path, not itself")
        return value

    @model_validator(mode="after")
    def _distinct_targets(self) -> Self:
        seen: set[str] = set()
        for target in self.tables:
            if target.id in seen:
                raise ValueError(f"table {target.id} stands twice in the list")
            seen.add(target.id)
        return self

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
