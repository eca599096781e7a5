"""The route of events, as a stream that can be resumed."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response

from fleetkit import errors, problems
from fleetkit.streaming import MEDIA_TYPE, EventStream
from gateway.api.access import COOKIE, TheActor, address_of, least
from gateway.api.door import Guarded
from gateway.deps import TheReaders
from gateway.services.identity import Identity
from gateway.services.reader import Ask
from ledger.domain.actors import Role
from ledger.domain.feed import TYPES, Wanted

router = APIRouter(prefix="/v1", tags=["events"], route_class=Guarded)

_MOST_DIGITS: Final = 18
_EXAMPLE: Final = """retry: 1000

id: 4711
event: round.started
data: {"id":4711,"type":"round.started","at":"2026-11-21T09:00:00.000Z","table":"ARO-001",\
"environment":null,"round":"01JD0000000000000000000000","data":{"command":"01JD0000000000000000000001","actor":"dealer-1"}}

: still here

"""
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": (
            "Server-sent events. `id` is the event's number in the feed, which has no gap and "
            "never changes; `event` is its type; `data` is JSON. A comment comes every 15 s when "
            "there is nothing else. "
            "A stream that we end says why in a last comment and how soon to come back (`retry`)."
        ),
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **problems.responses(422, 503),
}
_LAST: Final = (
    "The number of the last event you have; what came after it is sent first. 0: all there are."
)


@router.get(
    "/events",
    summary="Follow events",
    status_code=200,
    response_class=EventStream,
    responses=_ANSWERS,
    openapi_extra=least(Role.VIEWER),
)
async def follow(
    request: Request,
    actor: TheActor,
    readers: TheReaders,
    *,
    table: Annotated[list[str] | None, Query(description="Of these tables only.")] = None,
    environment: Annotated[
        list[str] | None,
        Query(description="Of these environments; what is told of a table as a whole comes too."),
    ] = None,
    types: Annotated[
        list[str] | None, Query(description="Of these types only: " + ", ".join(TYPES) + ".")
    ] = None,
    last_event_id: Annotated[str | None, Header(description=_LAST)] = None,
    last: Annotated[
        str | None, Query(alias="last_event_id", description="As the header Last-Event-ID.")
    ] = None,
) -> Response:
    """Follow events as they happen, from now on or from the last one you have.

    Several values are separated by commas, or the parameter is repeated.
    """
    wanted = Wanted(
        tables=_tables(actor, _split("table", table)),
        environments=_environments(actor, _split("environment", environment)),
        types=_types(_split("types", types)),
    )
    after = (
        _number(last, "query.last_event_id")
        if last_event_id is None
        else _number(last_event_id, "header.last-event-id")
    )
    reader = await readers.admit(
        Ask(
            wanted=wanted,
            after=after,
            within=actor.environments,
            credential=_credential(request),
            still_allowed=_recheck(request),
        )
    )
    return EventStream(readers.follow(reader), reader.ended)


def _split(name: str, values: Iterable[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    found = frozenset(part.strip() for value in values for part in value.split(","))
    if "" in found:
        raise errors.Invalid(f"{name} has an empty name in it.", field=f"query.{name}")
    return found


def _tables(actor: TheActor, asked: frozenset[str] | None) -> frozenset[str] | None:
    for one in sorted(asked or ()):
        actor.check_table(one)
    return actor.tables if asked is None else asked


def _environments(actor: TheActor, asked: frozenset[str] | None) -> frozenset[str] | None:
    actor.check_environments(asked or ())
    return actor.environments if asked is None else asked


def _types(asked: frozenset[str] | None) -> frozenset[str] | None:
    unknown = sorted((asked or frozenset()) - frozenset(TYPES))
    if unknown:
        raise errors.Invalid(
            f"There is no type of event {', '.join(unknown)}; there are {', '.join(TYPES)}.",
            code="unknown_event_type",
            field="query.types",
        )
    return asked


def _number(text: str | None, field: str) -> int | None:
    if text is None or not text.strip():
        return None  # as a browser sends that had no event yet
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise errors.Invalid(
            "Last-Event-ID must be the id of an event you were sent, which is a whole number.",
            code="bad_last_event_id",
            field=field,
        )
    return int(digits)


def _credential(request: Request) -> str:
    return request.headers.get("authorization") or request.cookies.get(COOKIE, "")


def _recheck(request: Request) -> Callable[[], Awaitable[bool]]:
    """Ask again whose key or cookie it is; that costs nothing of the key's rate."""
    identity: Identity = request.state.identity
    address = address_of(request)
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    cookie = request.cookies.get(COOKIE, "")

    async def still_allowed() -> bool:
        try:
            if key:
                await identity.by_key(key, address)
            else:
                await identity.by_cookie(cookie, address)
        except (errors.Unauthenticated, errors.TooMany):
            return False
        return True

    return still_allowed
