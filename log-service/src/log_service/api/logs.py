"""The routes of logs: lines in, pages out, and a tail."""

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request, Response

from fleetkit import errors, problems
from fleetkit.streaming import MEDIA_TYPE, EventStream
from ledger.domain.actors import Role
from log_service.adapters import meters
from log_service.api.access import Guarded, TheActor, admit, least, recheck
from log_service.api.asked import Name, TheFilter, TheSearch, read_range, refuse_nul
from log_service.api.models import BatchTaken, LineSent, LineTaken, LogPage, Stats
from log_service.deps import TheIntake, TheQueries, TheTails
from log_service.services.intake import Intake

router = APIRouter(prefix="/logs", tags=["logs"], route_class=Guarded)

MOST_LINES: Final = 1000
_WRITE: Final = problems.responses(400, 401, 403, 413, 422, 429, 503)
_READ: Final = problems.responses(401, 403, 422, 429, 503)


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_LINE: Final = LineSent.model_json_schema()


async def _read(request: Request) -> object:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise errors.Malformed("The body is not JSON.", code="malformed_json") from None


@router.post(
    "",
    summary="Send a line",
    status_code=202,
    responses={202: {"model": LineTaken}, **_WRITE},
    openapi_extra={**least(Role.DEVICE), **_body(_LINE)},
)
async def send(request: Request) -> Response:
    """Take a line: it is in the stream, and can be found within a second."""
    # Answered past FastAPI, which takes longer than all of this: so nothing is injected, and who
    # asks is looked at here.
    with meters.TAKING.time():
        actor = await admit(request, Role.DEVICE)
        intake: Intake = request.state.intake
        taken = await intake.take([await _read(request)], sender=actor.id, strict=True)
        return _json(202, orjson.dumps({"id": taken.ids[0]}))


@router.post(
    "/batch",
    summary="Send up to 1000 lines",
    status_code=202,
    responses={
        202: {"model": BatchTaken, "description": "All are taken."},
        207: {"model": BatchTaken, "description": "The good ones are taken."},
        **_WRITE,
    },
    openapi_extra={
        **least(Role.DEVICE),
        **_body({"type": "array", "items": _LINE, "minItems": 1, "maxItems": MOST_LINES}),
    },
)
async def send_batch(
    request: Request,
    actor: TheActor,
    intake: TheIntake,
    *,
    strict: Annotated[bool, Query(description="Take all or none.")] = False,
) -> Response:
    """Take the good lines of a batch and say what is wrong with the others; the first line is 1."""
    body = await _read(request)
    lines = body.get("logs") if isinstance(body, dict) and body.keys() == {"logs"} else body
    if not isinstance(lines, list) or not 1 <= len(lines) <= MOST_LINES:
        found = f", not {len(lines)}" if isinstance(lines, list) else ""
        raise errors.Invalid(
            f"The body must be a list of 1 to {MOST_LINES} lines{found}.", field="body"
        )
    taken = await intake.take(lines, sender=actor.id, strict=strict)
    told = {
        "accepted": len(taken.ids),
        "ids": taken.ids,
        "rejected": [
            {"line": one.line, "field": one.field, "detail": one.detail} for one in taken.faults
        ],
    }
    return _json(207 if taken.faults else 202, orjson.dumps(told))


@router.get(
    "",
    summary="Find lines",
    response_model=LogPage,
    responses=_READ,
    openapi_extra=least(Role.VIEWER),
)
async def find(search: TheSearch, queries: TheQueries) -> Response:
    """Find lines, newest first unless asked otherwise; `next` is the cursor of the page after."""
    answer = await queries.search(search)
    return _json(200, answer.body, cached=answer.cached)


@router.get(
    "/stats",
    summary="Count lines",
    response_model=Stats,
    responses=_READ,
    openapi_extra=least(Role.VIEWER),
)
async def count(
    queries: TheQueries,
    *,
    device_id: Name = None,
    service: Name = None,
    since: Annotated[str | None, Query(alias="from", max_length=64)] = None,
    until: Annotated[str | None, Query(alias="to", max_length=64)] = None,
) -> Response:
    """Count by level, device and hour, hours whole; of the last 24 hours unless said otherwise."""
    begins, ends = read_range(since, until)
    answer = await queries.stats(
        since=begins,
        until=ends,
        device_id=refuse_nul("device_id", device_id),
        service=refuse_nul("service", service),
    )
    return _json(200, answer.body, cached=answer.cached)


@router.get(
    "/tail",
    summary="Follow lines",
    status_code=200,
    response_class=EventStream,
    responses={
        200: {
            "description": "Server-sent events `log`, and `gap` where lines may be missing.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **_READ,
    },
    openapi_extra=least(Role.VIEWER),
)
async def follow(request: Request, wanted: TheFilter, tails: TheTails) -> Response:
    """Follow lines as they are written, from now on; `q` is words that must all be there."""
    if wanted.metadata is not None:
        raise errors.Invalid("A tail can't be asked for metadata.", field="query.metadata")
    tail = tails.admit(wanted)
    return EventStream(tails.follow(tail, recheck(request)), tail.ended)


def _json(status: int, body: bytes, *, cached: bool | None = None) -> Response:
    headers = {} if cached is None else {"x-cache": "hit" if cached else "miss"}
    return Response(body, status, {"cache-control": "no-store", **headers}, "application/json")
