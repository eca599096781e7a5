"""The route of a round's history."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from fleetkit import problems
from fleetkit.clock import Timestamp, rfc3339
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import least
from gateway.api.door import Guarded
from gateway.api.models import ROUND_EXAMPLE, RoundAnswer
from gateway.api.rounds import RoundId
from gateway.deps import TheHistories
from ledger.domain.actors import Role
from ledger.domain.history import Event
from ledger.store.events import History, told

router = APIRouter(prefix="/v1", tags=["rounds"], route_class=Guarded)


class EventAnswer(BaseModel):
    """One thing that happened; its hash covers the one before it."""

    number: int
    at: Timestamp
    type: str
    data: dict[str, Any]
    prev_hash: str | None
    hash: str


class HistoryAnswer(BaseModel):
    """Every event of a round in order, sealed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "round": "01JD0000000000000000000000",
                    "events": [
                        {
                            "number": 1,
                            "at": "2026-11-21T09:00:00.000Z",
                            "type": "round.started",
                            "data": {"command": "01JD0000000000000000000001", "actor": "admin"},
                            "prev_hash": None,
                            "hash": "5f" * 32,
                        }
                    ],
                    "sealed": True,
                }
            ]
        }
    )

    round: str
    events: list[EventAnswer]
    sealed: Literal[True]


class RoundThenAnswer(RoundAnswer):
    """A round as it was at a moment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**ROUND_EXAMPLE, "at": "2026-11-21T09:00:01.000Z"}]}
    )

    at: Timestamp


@router.get(
    "/rounds/{round}/history",
    summary="Read a round's history",
    openapi_extra=least(Role.VIEWER, whole=True),
    response_model=HistoryAnswer | RoundThenAnswer,
    responses=problems.responses(401, 404, 422, 503),
)
async def read(
    round: RoundId,  # noqa: A002 - the contract's word
    histories: TheHistories,
    *,
    at: Annotated[AwareDatetime | None, Query(description="Show the round as it was then.")] = None,
) -> Response:
    """Read every event in order, with its hash; or the round as it was at a moment."""
    if at is None:
        return JsonAnswer(_history(await histories.get(round)))
    found = await histories.get_at(round, at)
    return JsonAnswer({**shapes.round_(found, at), "at": rfc3339(at)})


def _history(found: History) -> dict[str, object]:
    return {
        "round": found.round_id,
        "events": [_event(event) for event in found.events],
        "sealed": True,
    }


def _event(event: Event) -> dict[str, object]:
    return {
        "number": event.number,
        "at": rfc3339(event.at),
        "type": event.type,
        "data": told(event.data),
        "prev_hash": event.prev_hash.hex() if event.prev_hash is not None else None,
        "hash": event.hash.hex(),
    }
