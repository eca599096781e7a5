"""Bodies and answers as the contract has them, with an example for each."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fleetkit.clock import Timestamp

WaitMs = Annotated[
    int,
    Field(
        ge=0,
        le=30_000,
        description="How long to wait for the legs; 0 answers 202 at once.",
    ),
]
# Words of people: one line or several, but nothing that a terminal or Postgres would choke on.
Reason = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]{1,500}$")]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]{0,2000}$")]
Visibility = Literal["visible", "disabled"]
AfterSeconds = Annotated[int, Field(ge=1, le=3600)]
# The names of tables, targets and environments as they may stand in an address or a filter.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Ulid = Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]


class Body(BaseModel):
    """A body takes what it names and nothing else, in its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    wait_ms: WaitMs = 2000


class StartBody(Body):
    """Where to start, and until when it makes sense."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"wait_ms": 2000}, {"environments": ["PRD", "STG"]}]}
    )

    environments: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    deadline_ms: Annotated[int, Field(ge=1, le=3_600_000)] = 3000


class CommandBody(Body):
    """A command that needs nothing more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"wait_ms": 0}]})


class CancelBody(Body):
    """Why the round is cancelled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Ball left the wheel."}]})

    reason: Reason | None = None


class ResultBody(Body):
    """The result in the one field of the table's game; it is never repaired."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"roulette": "17"},
                {"sicBo": [1, 2, 3]},
                {"baccarat": ["D2", "S10", "HK", "C5", "", ""]},
            ]
        }
    )

    # Anything goes in here, for the table's type decides what is valid, with a sentence of its own.
    roulette: Any = Field(default=None, description='"0" to "36".')
    sicBo: Any = Field(default=None, description="Three dice, 1 to 6 each.")  # noqa: N815
    baccarat: Any = Field(default=None, description='Six cards, suit first; "" for none.')

    def given(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.model_fields_set - {"wait_ms"}}


class LastAnswer(BaseModel):
    """The newest command of a leg and how far it got."""

    command: str
    outcome: Literal[
        "accepted", "rejected", "not_sent", "unknown", "pending", "expired", "superseded", "skipped"
    ]
    code: str | None
    detail: str | None
    attempts: int
    latency_ms: float | None
    next_attempt_at: Timestamp | None


class LegAnswer(BaseModel):
    """One target's part in a round."""

    environment: str
    game_code: str
    served_by: str
    required: bool
    state: Literal["pending", "opened", "bet_stopped", "dealt", "finished", "cancelled", "failed"]
    external_round_id: str | None
    bet_period: int | None
    bet_stop_at: Timestamp | None
    last: LastAnswer | None


ROUND_EXAMPLE: JsonDict = {
    "round": "01JD0000000000000000000000",
    "table": "ARO-001",
    "type": "speed_roulette",
    "state": "open",
    "outcome": "complete",
    "result": None,
    "started_at": "2026-11-21T09:00:00.000Z",
    "skew_ms": 3.1,
    "command": "01JD0000000000000000000001",
    "legs": [
        {
            "environment": "PRD",
            "game_code": "ARO-001",
            "served_by": "ARO-001",
            "required": True,
            "state": "opened",
            "external_round_id": "ARO-001-20261121-090000",
            "bet_period": 15,
            "bet_stop_at": "2026-11-21T09:00:15.000Z",
            "last": {
                "command": "start",
                "outcome": "accepted",
                "code": None,
                "detail": None,
                "attempts": 1,
                "latency_ms": 8.2,
                "next_attempt_at": None,
            },
        }
    ],
}


class RoundAnswer(BaseModel):
    """A round: the matrix of its legs, and the outcome of its last command."""

    model_config = ConfigDict(json_schema_extra={"examples": [ROUND_EXAMPLE]})

    round: str
    table: str
    type: str
    state: Literal["open", "bet_stopped", "dealt", "finished", "cancelled"]
    outcome: Literal["complete", "partial", "failed", "pending"]
    result: dict[str, Any] | None
    started_at: Timestamp
    skew_ms: float | None
    command: str
    legs: list[LegAnswer]


class RoundsAnswer(BaseModel):
    """A page of rounds, newest first."""

    rounds: list[RoundAnswer]
    next_cursor: str | None


class ReadinessAnswer(BaseModel):
    """Whether a round can begin."""

    light: Literal["go", "go_without", "hold"]
    without: list[str]
    why: list[str]


class TargetAnswer(BaseModel):
    """One Table API table that mirrors the physical one."""

    environment: str
    game_code: str
    required: bool
    priority: int
    version: int


class TableAnswer(BaseModel):
    """A physical table."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "table": "ARO-001",
                    "type": "speed_roulette",
                    "open_round": None,
                    "readiness": {"light": "go", "without": [], "why": []},
                    "targets": [
                        {
                            "environment": "PRD",
                            "game_code": "ARO-001",
                            "required": True,
                            "priority": 1,
                            "version": 3,
                        }
                    ],
                }
            ]
        }
    )

    table: str
    type: str
    open_round: str | None
    readiness: ReadinessAnswer
    targets: list[TargetAnswer]


class TablesAnswer(BaseModel):
    """All tables."""

    tables: list[TableAnswer]


class VersionAnswer(BaseModel):
    """An environment's configuration and its version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "environment": "PRD",
                    "version": 3,
                    "author": "admin",
                    "reason": None,
                    "created_at": "2026-11-21T08:00:00.000Z",
                    "config": {
                        "environment": "PRD",
                        "base_url": "https://table-api.prd.example/v2/service",
                        "primary": True,
                        "tables": [{"id": "ARO-001", "type": "speed_roulette"}],
                    },
                }
            ]
        }
    )

    environment: str
    version: int
    author: str
    reason: str | None
    created_at: Timestamp
    config: dict[str, Any]


class VersionsAnswer(BaseModel):
    """The newest version of every environment."""

    environments: list[VersionAnswer]
