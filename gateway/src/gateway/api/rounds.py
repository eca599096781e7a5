"""The routes of rounds: each parses, calls one service function and shapes the answer."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime

from fleetkit import problems
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.models import (
    CancelBody,
    CommandBody,
    ResultBody,
    RoundAnswer,
    RoundsAnswer,
    StartBody,
    Ulid,
    Word,
)
from gateway.deps import TheRounds
from gateway.domain import answers, sight
from gateway.services.rounds import Answered, Asked
from ledger.domain.actors import Actor, Role
from ledger.domain.commands import Kind
from ledger.store.rounds import Filter

router = APIRouter(prefix="/v1", tags=["rounds"], route_class=Guarded)

TableName = Annotated[Word, Path(examples=["ARO-001"])]
RoundId = Annotated[Ulid, Path(examples=["01JD0000000000000000000000"])]

_OUTCOMES: dict[int | str, dict[str, Any]] = {
    202: {"model": RoundAnswer, "description": "Nothing was accepted yet; legs are pending."},
    207: {"model": RoundAnswer, "description": "Some legs accepted, others did not, or not yet."},
    502: {"model": RoundAnswer, "description": "No leg accepted, and none will."},
    **problems.responses(400, 401, 404, 409, 413, 422, 503),
}


@router.post(
    "/tables/{table}/rounds",
    status_code=201,
    summary="Start a round",
    openapi_extra=least(Role.DEALER),
    response_model=RoundAnswer,
    responses=_OUTCOMES,
)
async def start(
    request: Request,
    table: TableName,
    rounds: TheRounds,
    actor: TheActor,
    body: StartBody | None = None,
) -> Response:
    """Open a round on every enabled target of the table, or on those of some environments."""
    body = body or StartBody()
    answered = await rounds.start(
        table,
        _asked(request, actor, body.wait_ms),
        environments=body.environments,
        deadline=timedelta(milliseconds=body.deadline_ms),
    )
    return _answer(request, answered, Kind.START)


@router.post(
    "/rounds/{round}/bet-stop",
    summary="Stop the bets now",
    openapi_extra=least(Role.DEALER),
    response_model=RoundAnswer,
    responses=_OUTCOMES,
)
async def bet_stop(
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    rounds: TheRounds,
    actor: TheActor,
    body: CommandBody | None = None,
) -> Response:
    """Stop the bets now instead of at each table's own time."""
    asked = _asked(request, actor, (body or CommandBody()).wait_ms)
    return _answer(request, await rounds.bet_stop(round, asked), Kind.BET_STOP)


@router.post(
    "/rounds/{round}/result",
    summary="Deal the result",
    openapi_extra=least(Role.DEALER),
    response_model=RoundAnswer,
    responses=_OUTCOMES,
)
async def result(
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    rounds: TheRounds,
    actor: TheActor,
    body: ResultBody,
) -> Response:
    """Deal to every leg that started; bets still open are stopped first, in order."""
    answered = await rounds.result(round, body.given(), _asked(request, actor, body.wait_ms))
    return _answer(request, answered, Kind.RESULT)


@router.post(
    "/rounds/{round}/finish",
    summary="Finish the round",
    openapi_extra=least(Role.DEALER),
    response_model=RoundAnswer,
    responses=_OUTCOMES,
)
async def finish(
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    rounds: TheRounds,
    actor: TheActor,
    body: CommandBody | None = None,
) -> Response:
    """Finish every leg that has its result, each after its table's own wait."""
    asked = _asked(request, actor, (body or CommandBody()).wait_ms)
    return _answer(request, await rounds.finish(round, asked), Kind.FINISH)


@router.post(
    "/rounds/{round}/cancel",
    summary="Cancel the round",
    openapi_extra=least(Role.DEALER),
    response_model=RoundAnswer,
    responses=_OUTCOMES,
)
async def cancel(
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    rounds: TheRounds,
    actor: TheActor,
    body: CancelBody | None = None,
) -> Response:
    """Cancel on every leg that is not over; what was not sent yet is not sent any more."""
    body = body or CancelBody()
    answered = await rounds.cancel(round, body.reason, _asked(request, actor, body.wait_ms))
    return _answer(request, answered, Kind.CANCEL)


@router.get(
    "/rounds/{round}",
    summary="Read a round",
    openapi_extra=least(Role.VIEWER),
    response_model=RoundAnswer,
    responses=problems.responses(401, 404, 422, 503),
)
async def read(
    request: Request,
    round: RoundId,  # noqa: A002 - the contract's word
    rounds: TheRounds,
    actor: TheActor,
) -> Response:
    """Read the round as it stands."""
    return JsonAnswer(shapes.round_(sight.of_round(actor, await rounds.get(round)), _now(request)))


@router.get(
    "/rounds",
    summary="List rounds",
    openapi_extra=least(Role.VIEWER),
    response_model=RoundsAnswer,
    responses=problems.responses(401, 422, 503),
)
async def find(
    request: Request,
    rounds: TheRounds,
    actor: TheActor,
    *,
    table: Word | None = None,
    state: Literal["open", "bet_stopped", "dealt", "finished", "cancelled"] | None = None,
    unresolved: Annotated[bool | None, Query(description="Not done on some leg.")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Ulid | None = None,
) -> Response:
    """List rounds, newest first; the cursor of one page asks for the next."""
    found = await rounds.find(
        Filter(
            table=table,
            state=state,
            unresolved=unresolved,
            since=since,
            until=until,
            before=cursor,
            limit=limit,
            tables=actor.tables,
            environments=actor.environments,
        )
    )
    now = _now(request)
    return JsonAnswer(
        {
            "rounds": [shapes.round_(sight.of_round(actor, one), now) for one in found],
            "next_cursor": found[-1].id if len(found) == limit else None,
        }
    )


def _asked(request: Request, actor: Actor, wait_ms: int) -> Asked:
    command: str = request.state.command
    return Asked(actor=actor, wait=timedelta(milliseconds=wait_ms), command=command)


def _now(request: Request) -> datetime:
    now: datetime = request.state.database.now()
    return now


def _answer(request: Request, answered: Answered, kind: Kind) -> Response:
    status = answers.OK if answered.repeated else answers.status(answered.round, kind)
    return JsonAnswer(shapes.round_(answered.round, _now(request)), status_code=status)
