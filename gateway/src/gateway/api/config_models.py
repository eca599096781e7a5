"""Bodies and answers of configuration."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from fleetkit.clock import Timestamp
from fleetkit.problems import FieldError
from gateway.api.models import Reason, VersionAnswer
from ledger.domain.config import Target

Number = Annotated[int, Field(ge=1, le=2_147_483_647)]
EnvironmentName = Annotated[str, Path(pattern=r"^[A-Z][A-Z0-9_-]{0,31}$", examples=["PRD"])]
GameCode = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["ARO-001"])]
VersionNumber = Annotated[Number, Path(examples=[3])]
DryRun = Annotated[bool, Query(description="Only say what it would do and what is wrong in it.")]
Because = Annotated[Reason | None, Query(description="Why, for whoever reads the versions later.")]


class TargetBody(Target):
    """A target; its id stands in the address already."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"type": "speed_roulette", "priority": 2}]}
    )

    id: str | None = None  # type: ignore[assignment]
    table: str | None = None  # type: ignore[assignment]

    @model_validator(mode="before")
    @classmethod
    def _mirrors_itself(cls, document: object) -> object:
        return document  # it is the address that says of which target it is


class RollbackBody(BaseModel):
    """Which version to go back to, and why."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"version": 3, "reason": "Version 4 lost a table."}]},
    )

    version: Number
    reason: Reason


class ChangedAnswer(VersionAnswer):
    """The version that was made, and what in it may be a mistake."""

    warnings: list[str]


class DifferenceAnswer(BaseModel):
    """One value that differs; tables are named by their code."""

    path: str
    op: Literal["add", "remove", "change"]
    before: Any = None
    after: Any = None


DIFF_EXAMPLE: JsonDict = {
    "path": "tables.ARO-001.priority",
    "op": "change",
    "before": 1,
    "after": 2,
}


class TriedAnswer(BaseModel):
    """What a change would do; nothing was written."""

    dry_run: Literal[True]
    environment: str | None
    version: int | None = Field(description="The newest version, over which it would be written.")
    diff: list[DifferenceAnswer]
    errors: list[FieldError]
    warnings: list[str]


class DiffAnswer(BaseModel):
    """What differs between two versions; from 0 is from nothing."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"environment": "PRD", "from": 3, "to": 4, "diff": [DIFF_EXAMPLE]}]
        },
    )

    environment: str
    start: int = Field(alias="from")
    to: int
    diff: list[DifferenceAnswer]


class EntryAnswer(BaseModel):
    """A version in the list of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "environment": "PRD",
                    "version": 4,
                    "author": "admin",
                    "reason": "A table is added.",
                    "created_at": "2026-11-21T09:00:00.000Z",
                }
            ]
        }
    )

    environment: str
    version: int
    author: str
    reason: str | None
    created_at: Timestamp


class HistoryAnswer(BaseModel):
    """A page of versions, newest first."""

    versions: list[EntryAnswer]
    next_cursor: str | None


class ImportedAnswer(BaseModel):
    """What an import did to one environment, or would do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"environment": "PRD", "version": 4, "diff": [DIFF_EXAMPLE], "warnings": []}
            ]
        }
    )

    environment: str
    version: int | None
    diff: list[DifferenceAnswer]
    warnings: list[str]


class ImportAnswer(BaseModel):
    """What an import did, or would do; an environment it changes nothing in is left out."""

    dry_run: bool
    table: str | None
    environments: list[ImportedAnswer]
    errors: list[FieldError]
    warnings: list[str]


class RefusedAnswer(BaseModel):
    """A version that a replica can't use."""

    version: int
    reason: str


class RunningAnswer(BaseModel):
    """What one replica runs of an environment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "instance": "table-service-prd-1",
                    "service": "table-service",
                    "version": 4,
                    "refused": None,
                    "heartbeat": "2026-11-21T09:00:00.000Z",
                }
            ]
        }
    )

    instance: str
    service: str
    version: int | None
    refused: RefusedAnswer | None
    heartbeat: Timestamp | None


class InForceAnswer(BaseModel):
    """An environment's newest version, and who runs it."""

    environment: str
    version: int
    in_force: bool | None = Field(
        description="Whether all its replicas run it; null while that can't be known."
    )
    replicas: list[RunningAnswer]


class ConfigStatusAnswer(BaseModel):
    """Which replica runs which version."""

    registry: Literal["reached", "away"]
    environments: list[InForceAnswer]
