"""The dead letters, for operators."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from fleetkit import errors, problems
from ledger.domain.actors import Role
from metrics_service.api.access import Guarded, least
from metrics_service.deps import TheLetters
from metrics_service.services import letters as service

router = APIRouter(prefix="/v1/metrics/dlq", tags=["dead letters"], route_class=Guarded)
_REFUSALS = problems.responses(401, 403, 422, 429, 503)


class Letter(BaseModel):
    """An event that could not be counted, why, and what it said (its first 4 KiB)."""

    id: str
    reason: str
    entry: str
    died_at: str | None
    size: int
    event: str


class Letters(BaseModel):
    """The oldest, and how many there are in all."""

    total: int
    letters: list[Letter]


class Wish(BaseModel):
    """Which to publish again: these, or the oldest up to a limit."""

    ids: Annotated[list[str] | None, Field(max_length=1000)] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Replayed(BaseModel):
    """How many were published again."""

    replayed: int


def _shown(one: service.Letter) -> Letter:
    return Letter(
        id=one.id,
        reason=one.reason,
        entry=one.entry,
        died_at=one.died_at,
        size=one.size,
        event=one.event,
    )


@router.get(
    "", summary="The oldest dead letters", responses=_REFUSALS, openapi_extra=least(Role.VIEWER)
)
async def show(letters: TheLetters, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Letters:
    total, found = await letters.list(limit)
    return Letters(total=total, letters=[_shown(one) for one in found])


@router.post(
    "/replay",
    summary="Publish dead letters again",
    responses=_REFUSALS,
    openapi_extra=least(Role.OPERATOR),
)
async def replay(wish: Wish, letters: TheLetters) -> Replayed:
    return Replayed(replayed=await letters.replay(wish.ids, wish.limit))


@router.get(
    "/{letter}",
    summary="One dead letter",
    responses={**_REFUSALS, **problems.responses(404)},
    openapi_extra=least(Role.VIEWER),
)
async def inspect(letter: str, letters: TheLetters) -> Letter:
    found = await letters.find(letter)
    if found is None:
        raise errors.NotFound("There is no such dead letter among the oldest thousand.")
    return _shown(found)
