"""Bodies and answers of batches, with an example for each."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleetkit import errors
from fleetkit.clock import Timestamp
from gateway.api.models import AfterSeconds, Body, Reason, Text, Visibility, Word
from ledger.domain.commands import Kind

MOST_TABLES: Final = 1000
Command = Literal[
    "start",
    "bet-stop",
    "result",
    "finish",
    "cancel",
    "pause",
    "resume",
    "visibility",
    "broadcast",
]
State = Literal[
    "waiting", "running", "complete", "partial", "failed", "pending", "refused", "not_begun"
]

_TAKES: Final[dict[str, frozenset[str]]] = {
    "start": frozenset({"environments", "deadline_ms"}),
    "bet-stop": frozenset(),
    "result": frozenset({"result"}),
    "finish": frozenset(),
    "cancel": frozenset({"reason"}),
    "pause": frozenset({"reason", "environments"}),
    "resume": frozenset({"environments"}),
    "visibility": frozenset({"visibility", "environments"}),
    "broadcast": frozenset({"type", "audience", "content", "after_seconds", "environments"}),
}
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "result": ("result",),
    "pause": ("reason",),
    "visibility": ("visibility",),
    "broadcast": ("type", "audience"),
}
_OF_COMMANDS: Final = (
    "environments",
    "deadline_ms",
    "result",
    "reason",
    "visibility",
    "type",
    "audience",
    "content",
    "after_seconds",
)
_DEADLINE_MS: Final = 3000


class BatchBody(Body):
    """One command for many tables, with what that command takes in a body of its own."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "command": "start",
                    "tables": ["ARO-001", "ARO-002"],
                    "max_concurrent": 20,
                    "timeout_ms": 30_000,
                },
                {"command": "pause", "tables": ["ARO-001"], "reason": "Shuffling"},
            ]
        }
    )

    command: Command
    tables: Annotated[list[Word], Field(min_length=1, max_length=MOST_TABLES)]
    max_concurrent: Annotated[
        int, Field(ge=1, le=1000, description="How many tables may be worked at at once.")
    ] = 20
    timeout_ms: Annotated[
        int, Field(ge=1, le=600_000, description="When all is reported as far as it is.")
    ] = 30_000
    environments: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    deadline_ms: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    reason: Reason | None = None
    result: dict[str, Any] | None = Field(default=None, description='Such as {"roulette": "17"}.')
    visibility: Visibility | None = None
    type: Word | None = Field(default=None, description="The type of a broadcast.")
    audience: Word | None = None
    content: Text | None = None
    after_seconds: AfterSeconds | None = None

    @model_validator(mode="after")
    def _takes_what_its_command_takes(self) -> Self:
        for name in _OF_COMMANDS:
            if getattr(self, name) is not None and name not in _TAKES[self.command]:
                raise errors.Invalid(
                    f"The command {self.command} takes no {name}.", field=f"body.{name}"
                )
        for needed in _NEEDS.get(self.command, ()):
            if getattr(self, needed) is None:
                raise errors.Invalid(
                    f"The command {self.command} needs its {needed}.", field=f"body.{needed}"
                )
        return self

    def of_command(self) -> tuple[Kind, dict[str, Any]]:
        """Give the command, and the body it would have by itself."""
        body = {name: value for name in _OF_COMMANDS if (value := getattr(self, name)) is not None}
        if self.command == "start":
            body.setdefault("deadline_ms", _DEADLINE_MS)
        return Kind(self.command), body


class BatchTableAnswer(BaseModel):
    """One table of a batch and how far its command got."""

    table: str
    outcome: State
    begun: bool
    status: int | None
    code: str | None
    detail: str | None
    round: str | None
    command: str
    begun_at: Timestamp | None
    finished_at: Timestamp | None
    duration_ms: float | None


class ProgressAnswer(BaseModel):
    """How many tables are where."""

    total: int
    done: int
    waiting: int
    running: int
    complete: int
    partial: int
    failed: int
    pending: int
    refused: int
    not_begun: int


class BatchAnswer(BaseModel):
    """A batch as it stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch": "01JD0000000000000000000009",
                    "command": "start",
                    "state": "finished",
                    "max_concurrent": 20,
                    "created_at": "2026-11-21T09:00:00.000Z",
                    "deadline_at": "2026-11-21T09:00:30.000Z",
                    "finished_at": "2026-11-21T09:00:00.240Z",
                    "progress": {
                        "total": 1,
                        "done": 1,
                        "waiting": 0,
                        "running": 0,
                        "complete": 1,
                        "partial": 0,
                        "failed": 0,
                        "pending": 0,
                        "refused": 0,
                        "not_begun": 0,
                    },
                    "tables": [
                        {
                            "table": "ARO-001",
                            "outcome": "complete",
                            "begun": True,
                            "status": 201,
                            "code": None,
                            "detail": None,
                            "round": "01JD0000000000000000000000",
                            "command": "01JD0000000000000000000001",
                            "begun_at": "2026-11-21T09:00:00.010Z",
                            "finished_at": "2026-11-21T09:00:00.100Z",
                            "duration_ms": 90.0,
                        }
                    ],
                }
            ]
        }
    )

    batch: str
    command: Command
    state: Literal["running", "finished", "timed_out", "cancelled"]
    max_concurrent: int
    created_at: Timestamp
    deadline_at: Timestamp
    finished_at: Timestamp | None
    progress: ProgressAnswer
    tables: list[BatchTableAnswer]
