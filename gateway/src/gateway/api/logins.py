"""The routes of a browser's login."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict

from fleetkit import errors, problems
from fleetkit.clock import Timestamp, rfc3339
from fleetkit.service import JsonAnswer
from gateway.api.access import COOKIE, TheActor, address_of, least
from gateway.api.door import Guarded
from gateway.deps import TheIdentity, TheLogins
from gateway.services.logins import LASTS, csrf_token
from ledger.domain.actors import Actor, Role

# The one door that is open to anybody: whoever comes through it shows a key inside.
entrance = APIRouter(prefix="/v1", tags=["access"])
router = APIRouter(prefix="/v1", tags=["access"], route_class=Guarded)

SESSION: JsonDict = {
    "name": "desk-1",
    "role": "dealer",
    "tables": ["ARO-001"],
    "environments": None,
    "csrf_token": "5f" * 32,
    "expires_at": "2026-11-21T21:00:00.000Z",
}


class LoginBody(BaseModel):
    """The key to log in with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "pb_..."}]})

    key: Annotated[SecretStr, Field(min_length=1, max_length=512)]


class SessionAnswer(BaseModel):
    """Who you are, what you may, and what goes into X-CSRF-Token with a change by cookie."""

    model_config = ConfigDict(json_schema_extra={"examples": [SESSION]})

    name: str
    role: Role
    tables: list[str] | None
    environments: list[str] | None
    csrf_token: str | None
    expires_at: Timestamp | None


@entrance.post(
    "/login",
    summary="Log in",
    response_model=SessionAnswer,
    responses=problems.responses(400, 401, 403, 413, 422, 429, 503),
)
async def login(
    request: Request, identity: TheIdentity, logins: TheLogins, body: LoginBody
) -> Response:
    """Get a cookie for a key; from then on the browser sends it along by itself."""
    address = address_of(request)
    key = body.key.get_secret_value().strip()
    try:
        actor = await identity.at_login(key, address)
    except errors.Unauthenticated:
        await logins.note_failure(address)
        raise
    actor.check_role(Role.VIEWER)
    await identity.spend(actor)
    opened = await logins.open(actor, key)
    answer = JsonAnswer(
        _session(actor, opened.cookie, opened.expires_at), headers={"cache-control": "no-store"}
    )
    _set_cookie(request, answer, opened.cookie, LASTS)
    return answer


@router.post("/logout", summary="Log out", status_code=204, openapi_extra=least(Role.VIEWER))
async def logout(request: Request, logins: TheLogins, actor: TheActor) -> Response:
    """End the browser's login; its cookie is worth nothing from then on."""
    answer = Response(status_code=204)
    cookie = request.cookies.get(COOKIE)
    if cookie is not None:
        await logins.end(actor, cookie)
        _set_cookie(request, answer, "", timedelta())
    return answer


@router.get(
    "/session",
    summary="Say who I am",
    openapi_extra=least(Role.VIEWER),
    response_model=SessionAnswer,
)
async def read(request: Request, actor: TheActor) -> Response:
    """Say whose key or cookie came along, and what it allows."""
    ends: datetime | None = getattr(request.state, "session_ends", None)
    cookie = request.cookies.get(COOKIE) if ends is not None else None
    return JsonAnswer(_session(actor, cookie, ends), headers={"cache-control": "no-store"})


def _session(actor: Actor, cookie: str | None, ends: datetime | None) -> dict[str, object]:
    return {
        "name": actor.name,
        "role": actor.role,
        "tables": None if actor.tables is None else sorted(actor.tables),
        "environments": None if actor.environments is None else sorted(actor.environments),
        "csrf_token": None if cookie is None else csrf_token(cookie),
        "expires_at": None if ends is None else rfc3339(ends),
    }


def _set_cookie(request: Request, answer: Response, text: str, lasts: timedelta) -> None:
    answer.set_cookie(
        COOKIE,
        text,
        max_age=int(lasts.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
