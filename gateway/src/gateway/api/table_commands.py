"""The routes of the commands of a table that belong to no round."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fleetkit import problems
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.models import AfterSeconds, Body, LastAnswer, Reason, Text, Visibility, Word
from gateway.api.rounds import TableName
from gateway.deps import TheTableCommands
from gateway.domain import answers
from gateway.services.rounds import Asked
from gateway.services.table_commands import Done, Message
from ledger.domain.actors import Actor, Role

router = APIRouter(
    prefix="/v1/tables/{table}",
    tags=["tables"],
    route_class=Guarded,
)


class WhereBody(Body):
    """On which environments; on all of the table's if absent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"environments": ["STG"]}]})

    environments: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None


class PauseBody(WhereBody):
    """Why the table is paused; players read it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Shuffling"}]})

    reason: Reason


class VisibilityBody(WhereBody):
    """Whether the table is shown in the lobby."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"visibility": "disabled"}]})

    visibility: Visibility


class BroadcastBody(WhereBody):
    """What is said to whom; past after_seconds (20 if absent) it is not sent any more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "warning", "audience": "players", "content": "The dealer changes."}
            ]
        }
    )

    type: Word
    audience: Word
    content: Text = ""
    after_seconds: AfterSeconds | None = None


class TargetLegAnswer(BaseModel):
    """One target's part in the command."""

    environment: str
    game_code: str
    served_by: str
    required: bool
    last: LastAnswer


class TableCommandAnswer(BaseModel):
    """A command of a table and how it went on each target."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "table": "ARO-001",
                    "command": "01JD0000000000000000000002",
                    "kind": "pause",
                    "outcome": "complete",
                    "suppressed": False,
                    "legs": [
                        {
                            "environment": "PRD",
                            "game_code": "ARO-001",
                            "served_by": "ARO-001",
                            "required": True,
                            "last": {
                                "command": "pause",
                                "outcome": "accepted",
                                "code": None,
                                "detail": None,
                                "attempts": 1,
                                "latency_ms": 6.4,
                                "next_attempt_at": None,
                            },
                        }
                    ],
                }
            ]
        }
    )

    table: str
    command: str
    kind: Literal["pause", "resume", "visibility", "broadcast"]
    outcome: Literal["complete", "partial", "failed", "pending"]
    suppressed: bool
    legs: list[TargetLegAnswer]


_OUTCOMES: dict[int | str, dict[str, Any]] = {
    202: {"model": TableCommandAnswer, "description": "Nothing was accepted yet."},
    207: {"model": TableCommandAnswer, "description": "Some targets accepted, others did not."},
    502: {"model": TableCommandAnswer, "description": "No target accepted, and none will."},
    **problems.responses(400, 401, 404, 409, 413, 422, 503),
}


@router.post(
    "/pause",
    summary="Pause a table",
    openapi_extra=least(Role.OPERATOR),
    response_model=TableCommandAnswer,
    responses=_OUTCOMES,
)
async def pause(
    request: Request,
    table: TableName,
    commands: TheTableCommands,
    actor: TheActor,
    body: PauseBody,
) -> Response:
    """Pause it on every target, or those of some environments; a round that is open goes on."""
    asked = _asked(request, actor, body.wait_ms)
    done = await commands.pause(table, asked, reason=body.reason, environments=body.environments)
    return _answer(done)


@router.post(
    "/resume",
    summary="Resume a table",
    openapi_extra=least(Role.OPERATOR),
    response_model=TableCommandAnswer,
    responses=_OUTCOMES,
)
async def resume(
    request: Request,
    table: TableName,
    commands: TheTableCommands,
    actor: TheActor,
    body: WhereBody | None = None,
) -> Response:
    """End the pause, whoever began it."""
    body = body or WhereBody()
    asked = _asked(request, actor, body.wait_ms)
    return _answer(await commands.resume(table, asked, environments=body.environments))


@router.post(
    "/visibility",
    summary="Show or hide a table",
    openapi_extra=least(Role.OPERATOR),
    response_model=TableCommandAnswer,
    responses=_OUTCOMES,
)
async def visibility(
    request: Request,
    table: TableName,
    commands: TheTableCommands,
    actor: TheActor,
    body: VisibilityBody,
) -> Response:
    """Show the table in the lobby or hide it; a round that is open goes on."""
    done = await commands.show(
        table,
        _asked(request, actor, body.wait_ms),
        visibility=body.visibility,
        environments=body.environments,
    )
    return _answer(done)


@router.post(
    "/broadcast",
    summary="Say something at a table",
    openapi_extra=least(Role.OPERATOR),
    response_model=TableCommandAnswer,
    responses=_OUTCOMES,
)
async def broadcast(
    request: Request,
    table: TableName,
    commands: TheTableCommands,
    actor: TheActor,
    body: BroadcastBody,
) -> Response:
    """Say it once: the same type again within 10 s is answered with `suppressed` and not sent."""
    after = None if body.after_seconds is None else timedelta(seconds=body.after_seconds)
    message = Message(body.type, body.audience, body.content, after)
    asked = _asked(request, actor, body.wait_ms)
    done = await commands.broadcast(table, asked, message=message, environments=body.environments)
    return _answer(done)


def _asked(request: Request, actor: Actor, wait_ms: int) -> Asked:
    command: str = request.state.command
    return Asked(actor=actor, wait=timedelta(milliseconds=wait_ms), command=command)


def _answer(done: Done) -> Response:
    status = answers.OK if done.suppressed else answers.of(done.command.outcome)
    shape = shapes.table_command(done.command, suppressed=done.suppressed)
    return JsonAnswer(shape, status_code=status)
