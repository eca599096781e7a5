"""Figures: of now, of before, and new ones that come by HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from fleetkit import problems
from fleetkit.clock import Timestamp
from ledger.domain.actors import Role
from metrics_service.api.access import Guarded, least
from metrics_service.deps import TheIntake, TheReading
from metrics_service.domain.events import Documented
from metrics_service.services.showing import figures

router = APIRouter(prefix="/v1/metrics", tags=["metrics"], route_class=Guarded)

_Name = Annotated[str, Field(min_length=1, max_length=100)]
_REFUSALS = problems.responses(401, 403, 429, 503)


class Figures(BaseModel):
    """Over the sliding window, or over one step of the past."""

    qps: float
    avg_latency_ms: float
    p95_latency_ms: float
    p99_latency_ms: float
    error_rate: float
    total_requests: int


class Present(Figures):
    """A service over the last minute."""

    service_name: str
    last_updated: str
    window_s: int
    endpoints: dict[str, Figures]


class Everything(BaseModel):
    """All services that were heard of in the last five minutes."""

    services: list[Present]


class Step(Figures):
    """One step of the past, by when it begins."""

    timestamp: Timestamp


class Past(BaseModel):
    """The steps in which there were requests, in order."""

    service_name: str
    api_endpoint: str | None
    step: int
    points: list[Step]


class NotTaken(BaseModel):
    """An event that was not taken, by its place in the batch."""

    index: int
    reason: str


class Taken(BaseModel):
    """How many were taken, and which were not."""

    accepted: int
    rejected: list[NotTaken]


class Events(BaseModel):
    """Up to a thousand events, each as documented."""

    events: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=1000,
            json_schema_extra={"items": Documented.model_json_schema()},
        ),
    ]


@router.get(
    "/realtime", summary="Every service now", responses=_REFUSALS, openapi_extra=least(Role.VIEWER)
)
async def show_all(reading: TheReading) -> Everything:
    return Everything(services=[Present(**one) for one in await reading.all_present()])


@router.get(
    "/realtime/{service}",
    summary="One service now",
    responses={**_REFUSALS, **problems.responses(404)},
    openapi_extra=least(Role.VIEWER),
)
async def show(service: str, reading: TheReading) -> Present:
    return Present(**await reading.present(service))


@router.get(
    "/history",
    summary="One service or endpoint before",
    responses={**_REFUSALS, **problems.responses(422)},
    openapi_extra=least(Role.VIEWER),
)
async def show_past(  # noqa: PLR0917  # each is a name in the query
    reading: TheReading,
    service: Annotated[_Name, Query()],
    endpoint: Annotated[str | None, Query(max_length=200)] = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    step: Annotated[int | None, Query(ge=1, le=86_400)] = None,
) -> Past:
    width, points = await reading.past(service, endpoint, since=since, until=until, step=step)
    return Past(
        service_name=service,
        api_endpoint=endpoint,
        step=width,
        points=[Step(timestamp=one.at, **figures(one.metrics, None)) for one in points],
    )


@router.post(
    "/events",
    status_code=202,
    summary="Take events",
    responses={**_REFUSALS, **problems.responses(422)},
    openapi_extra=least(Role.DEALER),
)
async def take(events: Events, intake: TheIntake, request: Request) -> Taken:
    now = request.state.database.now().timestamp()
    accepted, refused = await intake.take(events.events, now=now)
    return Taken(
        accepted=accepted,
        rejected=[NotTaken(index=one.index, reason=one.reason) for one in refused],
    )
