"""The route of devices: who has logged."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from fleetkit import problems
from ledger.domain.actors import Role
from log_service.api.access import Guarded, least
from log_service.api.asked import Limit, refuse_nul
from log_service.api.models import DevicePage
from log_service.deps import TheQueries
from log_service.domain.lines import LONGEST_NAME

router = APIRouter(prefix="/devices", tags=["logs"], route_class=Guarded)


@router.get(
    "",
    summary="List devices",
    response_model=DevicePage,
    responses=problems.responses(401, 403, 422, 429, 503),
    openapi_extra=least(Role.VIEWER),
)
async def devices(
    queries: TheQueries,
    *,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(max_length=LONGEST_NAME)] = None,
) -> Response:
    """List devices by name: when each was first and last seen, and how much it logged."""
    answer = await queries.devices(after=refuse_nul("cursor", cursor), limit=limit)
    headers = {"cache-control": "no-store", "x-cache": "hit" if answer.cached else "miss"}
    return Response(answer.body, 200, headers, "application/json")
