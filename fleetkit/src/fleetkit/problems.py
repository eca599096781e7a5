"""Errors as application/problem+json; the only place that knows an error's status code."""

import http
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from fleetkit import context, errors, logs

log = logs.get(__name__)

MEDIA_TYPE: Final = "application/problem+json"
LONGEST: Final = 200
MOST_ERRORS: Final = 20

STATUSES: Final[Mapping[type[errors.PitbossError], int]] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.TooLarge: 413,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}

_COUNTED: Final = frozenset({401, 403, 429})
REFUSALS: Final = Counter(
    "pitboss_refusals", "Requests refused for who asked, or how often.", ["status", "code"]
)

_UNROUTED: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed", "The body can't be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method."),
    413: ("too_large", "The body is over the limit of 1 MiB."),
}

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_INTERNAL: Final = (
    "Something failed on our side; nobody is asked to guess what: it is in the log under this "
    "trace id."
)


class FieldError(BaseModel):
    """One wrong value."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:pitboss:problem:not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no table ARO-999.",
                    "code": "not_found",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str = Field(description="A sentence for people.")
    code: str = Field(description="A word for programs; it does not change.")
    trace_id: str | None = None
    field: str | None = Field(default=None, description="Which value is wrong, with status 422.")
    errors: list[FieldError] | None = Field(default=None, description="All that is wrong.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe these error answers for a FastAPI route's `responses`."""
    return {
        status: {
            "description": http.HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def answer(
    status: int,
    code: str,
    detail: str,
    *,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {
        **(extra or {}),
        "type": f"urn:pitboss:problem:{code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": context.trace_id.get(),
    }
    return Response(
        _encode(body), status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def _encode(body: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(body, default=str)
    except TypeError:
        # A lone surrogate out of somebody's JSON: it can't be written in UTF-8.
        return orjson.dumps({key: _printable(value) for key, value in body.items()})


def _printable(value: object) -> object:
    return value if isinstance(value, int | None) else str(value).encode(errors="replace").decode()


def of(error: errors.PitbossError) -> Response:
    """Answer one of our own errors."""
    status = next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)
    extra = dict(error.extra)
    if error.field is not None:
        extra["field"] = error.field
    if status in _COUNTED:
        REFUSALS.labels(status=str(status), code=error.code).inc()
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, -int(-error.retry_after_s // 1)))
    if isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return answer(status, error.code, error.detail, extra=extra, headers=headers)


def internal(error: Exception) -> Response:
    """Answer what nobody foresaw: logged whole, answered without a word of it."""
    log.error("request_failed", exc_info=error)
    return answer(500, "internal", _INTERNAL)


def _clean(text: str) -> str:
    plain = text.encode(errors="replace").decode()
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}..."


def _field(loc: Sequence[object]) -> str:
    return _clean(".".join(str(part) for part in loc))


def listed_in(error: RequestValidationError) -> list[dict[str, str]]:
    """List what is wrong, each with its field; nothing that was sent is repeated."""
    return [
        {
            "field": _field(problem["loc"]),
            "detail": _clean(str(problem["msg"]).removeprefix("Value error, ")),
        }
        for problem in error.errors()[:MOST_ERRORS]
    ]


def invalid(error: RequestValidationError) -> Response:
    found = error.errors()
    if any(problem["type"] == "json_invalid" for problem in found):
        return answer(400, "malformed_json", "The body is not JSON.")
    listed = listed_in(error)
    first = listed[0] if listed else {"field": "body", "detail": "is wrong"}
    detail = f"{first['field']}: {first['detail']}"
    more = len(found) - 1
    if more > 0:
        detail += f" (and {more} more)"
    return answer(
        422, errors.Invalid.code, detail, extra={"field": first["field"], "errors": listed}
    )


def unrouted(error: HTTPException, *, allow: str | None = None) -> Response:
    status = error.status_code
    fallback = http.HTTPStatus(status).phrase
    code, detail = _UNROUTED.get(status, (fallback.lower().replace(" ", "_"), f"{fallback}."))
    headers = dict(error.headers or {})
    if allow:
        headers["Allow"] = allow
    return answer(status, code, detail, headers=headers)


def _methods_at(request: Request) -> str:
    """List all methods of an address; the router itself names those of its first route alone."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return ", ".join(
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    )


def install(app: FastAPI) -> None:
    """Answer every error of this app as a problem."""

    @app.exception_handler(errors.PitbossError)
    async def _ours(_request: Request, error: errors.PitbossError) -> Response:
        return of(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> Response:
        return invalid(error)

    @app.exception_handler(HTTPException)
    async def _unrouted(request: Request, error: HTTPException) -> Response:
        by_router = "Allow" in (error.headers or {})
        return unrouted(error, allow=_methods_at(request) if by_router else None)

    @app.exception_handler(Exception)
    async def _internal(_request: Request, error: Exception) -> Response:
        return internal(error)
