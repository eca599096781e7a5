"""Alerts as they stand and stood."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from fleetkit import problems
from fleetkit.clock import Timestamp
from ledger.domain.actors import Role
from metrics_service.api.access import Guarded, least
from metrics_service.deps import TheAlerts

router = APIRouter(prefix="/v1/alerts", tags=["alerts"], route_class=Guarded)


class Alert(BaseModel):
    """A condition that held for a while."""

    id: int
    state: Literal["raised", "cleared"]
    service_name: str
    metric: str
    value: float
    threshold: float
    raised_at: Timestamp
    cleared_at: Timestamp | None


class Alerts(BaseModel):
    """The latest first."""

    alerts: list[Alert]


@router.get(
    "",
    summary="Alerts, those that stand and those that are over",
    responses=problems.responses(401, 403, 422, 429, 503),
    openapi_extra=least(Role.VIEWER),
)
async def show(
    alerts: TheAlerts,
    state: Annotated[Literal["raised", "cleared"] | None, Query()] = None,
    service: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Alerts:
    standing = None if state is None else state == "raised"
    found = await alerts.find(service=service, standing=standing, limit=limit)
    return Alerts(
        alerts=[
            Alert(
                id=one.id,
                state="raised" if one.cleared_at is None else "cleared",
                service_name=one.service_name,
                metric=one.metric,
                value=one.value,
                threshold=one.threshold,
                raised_at=one.raised_at,
                cleared_at=one.cleared_at,
            )
            for one in found
        ]
    )
