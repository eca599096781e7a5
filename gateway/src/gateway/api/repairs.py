"""The routes of repairs."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fleetkit import errors, problems
from fleetkit.clock import Timestamp
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.models import Body, Reason, RoundAnswer, Ulid, Word
from gateway.api.rounds import RoundId
from gateway.deps import TheRepairs
from gateway.domain import answers, sight
from gateway.services.repairs import MOST, Mended, Place
from gateway.services.rounds import Asked
from ledger.domain.actors import Actor, Role
from ledger.store.repairs import Filter

router = APIRouter(prefix="/v1", tags=["repairs"], route_class=Guarded)

Environment = Annotated[Word, Path(examples=["PRD"])]
GameCode = Annotated[Word, Path(examples=["ARO-001"])]
State = Literal[
    "pending", "sending", "unknown", "accepted", "rejected", "expired", "superseded", "skipped"
]

_UNSETTLED: tuple[State, ...] = ("pending", "sending", "unknown")
_REPAIRED: dict[int | str, dict[str, Any]] = {
    202: {"model": RoundAnswer, "description": "The leg is not settled within wait_ms."},
    **problems.responses(400, 401, 404, 409, 413, 422, 503),
}


class RepairBody(Body):
    """Why a leg is mended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The table is back."}]})

    reason: Reason | None = None


class SkipBody(Body):
    """Why a leg is left as it is; a skip without a reason is refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Settled by phone."}]})

    reason: Reason


class RecoverBody(BaseModel):
    """Which stretch of time to recover."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"since": "2026-11-21T09:00:00.000Z", "dry_run": True}]},
    )

    since: AwareDatetime
    until: AwareDatetime | None = None
    environment: Word | None = None
    table: Word | None = None
    dry_run: Annotated[bool, Field(strict=True)] = False
    confirm: Annotated[str, Field(max_length=64)] | None = None


class DeliveryAnswer(BaseModel):
    """A delivery: one command for one leg."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "delivery": "01JD0000000000000000000002",
                    "round": "01JD0000000000000000000000",
                    "table": "ARO-001",
                    "environment": "PRD",
                    "game_code": "ARO-001",
                    "command": "result",
                    "state": "pending",
                    "code": None,
                    "detail": "No replica of PRD could be reached.",
                    "attempts": 0,
                    "created_at": "2026-11-21T09:00:16.000Z",
                    "next_attempt_at": "2026-11-21T09:00:17.000Z",
                }
            ]
        }
    )

    delivery: str
    round: str | None
    table: str
    environment: str
    game_code: str
    command: str
    state: State
    code: str | None
    detail: str | None
    attempts: int
    created_at: Timestamp
    next_attempt_at: Timestamp | None


class DeliveriesAnswer(BaseModel):
    """A page of deliveries, oldest first."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None


class RecoveryAnswer(BaseModel):
    """What is sent again, and how many are left out for which reason."""

    dry_run: bool
    count: int
    left_out: dict[str, int]
    confirm: str
    deliveries: list[DeliveryAnswer]


@router.post(
    "/rounds/{round}/legs/{environment}/{game_code}/retry",
    summary="Send a leg's failed command again",
    openapi_extra=least(Role.OPERATOR),
    response_model=RoundAnswer,
    responses=_REPAIRED,
)
async def retry(  # noqa: PLR0917 - the parts of the address, and what FastAPI hands in
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    environment: Environment,
    game_code: GameCode,
    repairs: TheRepairs,
    actor: TheActor,
    body: RepairBody | None = None,
) -> Response:
    """Look at the table, then send again what stopped the leg and what waits behind it."""
    body = body or RepairBody()
    place = Place(round, environment, game_code)
    mended = await repairs.retry(place, _asked(request, actor, body.wait_ms), body.reason)
    return _answer(request, actor, mended)


@router.post(
    "/rounds/{round}/legs/{environment}/{game_code}/cancel",
    summary="Cancel the round on one leg",
    openapi_extra=least(Role.OPERATOR),
    response_model=RoundAnswer,
    responses=_REPAIRED,
)
async def cancel(  # noqa: PLR0917 - the parts of the address, and what FastAPI hands in
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    environment: Environment,
    game_code: GameCode,
    repairs: TheRepairs,
    actor: TheActor,
    body: RepairBody | None = None,
) -> Response:
    """Cancel on this leg alone; the round goes on elsewhere."""
    body = body or RepairBody()
    place = Place(round, environment, game_code)
    mended = await repairs.cancel(place, _asked(request, actor, body.wait_ms), body.reason)
    return _answer(request, actor, mended)


@router.post(
    "/rounds/{round}/legs/{environment}/{game_code}/skip",
    summary="Leave a leg as it is",
    openapi_extra=least(Role.OPERATOR),
    response_model=RoundAnswer,
    responses=_REPAIRED,
)
async def skip(  # noqa: PLR0917 - the parts of the address, and what FastAPI hands in
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    environment: Environment,
    game_code: GameCode,
    repairs: TheRepairs,
    actor: TheActor,
    body: SkipBody,
) -> Response:
    """Send nothing more to this leg for this round, by decision and with a reason."""
    place = Place(round, environment, game_code)
    mended = await repairs.skip(place, _asked(request, actor, body.wait_ms), body.reason)
    return _answer(request, actor, mended)


@router.get(
    "/deliveries",
    summary="List deliveries",
    openapi_extra=least(Role.VIEWER),
    response_model=DeliveriesAnswer,
    responses=problems.responses(401, 422, 503),
)
async def find(
    repairs: TheRepairs,
    actor: TheActor,
    *,
    state: Annotated[list[State] | None, Query(description="Unsettled ones if absent.")] = None,
    environment: Word | None = None,
    table: Word | None = None,
    since: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Ulid | None = None,
) -> Response:
    """List what is unsettled, or what is in the states asked for, oldest first."""
    found = await repairs.find(
        Filter(
            states=tuple(state) if state else _UNSETTLED,
            environment=environment,
            table=table,
            since=since,
            after=cursor,
            limit=limit,
            tables=actor.tables,
            environments=actor.environments,
        )
    )
    return JsonAnswer(
        {
            "deliveries": [shapes.delivery(one) for one in found],
            "next_cursor": found[-1].id if len(found) == limit else None,
        }
    )


@router.post(
    "/deliveries/recover",
    summary="Send again all that failed",
    openapi_extra=least(Role.OPERATOR),
    response_model=RecoveryAnswer,
    responses=problems.responses(400, 401, 409, 413, 422, 503),
)
async def recover(
    request: Request, repairs: TheRepairs, actor: TheActor, body: RecoverBody
) -> Response:
    """Send again what failed in a stretch of time; the dry run counts it and what is left out."""
    if body.until is not None and body.until <= body.since:
        raise errors.Invalid("until is not after since.", field="body.until")
    wanted = Filter(
        environment=body.environment,
        table=body.table,
        since=body.since,
        until=body.until,
        limit=MOST,
        tables=actor.tables,
        environments=actor.environments,
    )
    asked = _asked(request, actor, 0)
    found = await repairs.recover(wanted, asked, dry_run=body.dry_run, confirm=body.confirm)
    return JsonAnswer(
        {
            "dry_run": found.dry_run,
            "count": len(found.chosen),
            "left_out": found.left,
            "confirm": found.confirm,
            "deliveries": [shapes.delivery(one) for one in found.chosen[:100]],
        }
    )


def _asked(request: Request, actor: Actor, wait_ms: int) -> Asked:
    command: str = request.state.command
    return Asked(actor=actor, wait=timedelta(milliseconds=wait_ms), command=command)


def _answer(request: Request, actor: Actor, mended: Mended) -> Response:
    shape = shapes.round_(sight.of_round(actor, mended.round), request.state.database.now())
    return JsonAnswer(shape, status_code=answers.OK if mended.settled else answers.ACCEPTED)
