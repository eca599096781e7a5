"""The routes of dead letters: what could not be written, and once more with it."""

from typing import Final

from fastapi import APIRouter

from fleetkit import problems
from fleetkit.bus import Entry
from ledger.domain.actors import Role
from log_service.api.access import Guarded, least
from log_service.api.asked import Limit
from log_service.api.models import DeadEntries, DeadEntry, Replayed
from log_service.deps import TheDead

router = APIRouter(prefix="/logs/dead", tags=["logs"], route_class=Guarded)

_ANSWERS: Final = problems.responses(401, 403, 422, 429, 503)
_SHOWN: Final = 1000


@router.get(
    "",
    summary="List dead letters",
    responses=_ANSWERS,
    openapi_extra=least(Role.OPERATOR),
)
async def find(dead: TheDead, *, limit: Limit = 100) -> DeadEntries:
    """List entries that could not be written, oldest first, with the reason."""
    total, entries = await dead.find(limit)
    return DeadEntries(total=total, entries=[_shape(one) for one in entries])


@router.post(
    "/replay",
    summary="Write dead letters after all",
    responses=_ANSWERS,
    openapi_extra=least(Role.OPERATOR),
)
async def replay(dead: TheDead) -> Replayed:
    """Put all dead letters into the stream again; those that still can't be written come back."""
    return Replayed(replayed=await dead.replay())


def _shape(entry: Entry) -> DeadEntry:
    told = {name: value.decode(errors="replace") for name, value in entry.fields.items()}
    reason, place = told.pop("reason", ""), told.pop("entry", "")
    told.pop("queue", None)
    body = told.get("body") or told.get("ecs") or str(told)
    return DeadEntry(id=entry.id, entry=place, reason=reason, body=body[:_SHOWN])
