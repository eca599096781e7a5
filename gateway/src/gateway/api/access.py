"""Who asks: a key or a cookie, checked before the request is read, and what a route asks."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute

from fleetkit import errors, ids, problems
from gateway.adapters.places import Places
from gateway.services.identity import Identity
from gateway.services.logins import csrf_token
from ledger.domain.actors import Actor, Role

COOKIE: Final = "pitboss_session"
CSRF_HEADER: Final = "x-csrf-token"

_ROLE: Final = "x-least-role"
_UNLIMITED: Final = "x-unlimited-key"
_WHOLE: Final = "x-whole-round"
_SHOWN_ONCE: Final = "x-shown-once"
_READS: Final = frozenset({"GET", "HEAD"})
_SCHEMES: Final = {
    "key": {"type": "http", "scheme": "bearer", "description": "The key you were given."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "A browser's login; a change needs the header X-CSRF-Token too.",
    },
}


def least(
    role: Role, *, unlimited: bool = False, whole: bool = False, once: bool = False
) -> dict[str, Any]:
    """Say who may use a route: `openapi_extra=least(Role.DEALER)`; Guarded holds it.

    `unlimited`: only a key without limits. `whole`: what is read of a round can't be shown in part,
    so a key that does not see all of its environments sees none of it. `once`: the answer is shown
    once and is not kept under an Idempotency-Key.
    """
    marks = {_UNLIMITED: unlimited, _WHOLE: whole, _SHOWN_ONCE: once}
    return {_ROLE: str(role), **{name: True for name, is_so in marks.items() if is_so}}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks of whoever calls it."""

    role: Role
    unlimited: bool
    whole: bool
    once: bool

    @classmethod
    def of(cls, route: APIRoute) -> Self:
        """Read a route's rule; one that has none is the admin's, and a test finds it."""
        extra = route.openapi_extra or {}
        return cls(
            Role(extra.get(_ROLE, Role.ADMIN)),
            bool(extra.get(_UNLIMITED)),
            bool(extra.get(_WHOLE)),
            bool(extra.get(_SHOWN_ONCE)),
        )

    async def check(self, actor: Actor, request: Request) -> None:
        """Refuse an actor whom the rule or the parts of the address are beyond."""
        actor.check_role(self.role)
        if not actor.limited:
            return
        if self.unlimited:
            actor.check_unlimited()
        parts = request.path_params
        if "table" in parts:
            actor.check_table(parts["table"])
        if "environment" in parts:
            actor.check_environments([parts["environment"]])
        if "round" in parts and ids.is_ulid(parts["round"]):
            await _check_round(actor, request, whole=self.whole)


async def _check_round(actor: Actor, request: Request, *, whole: bool) -> None:
    """Hold a limited key against the round: of its tables, and on no environment beyond it.

    What is only read may have legs beyond it; they are left out of the answer.
    """
    places: Places = request.state.places
    place = await places.of(request.path_params["round"])
    if place is None:
        return
    actor.check_table(place.table)
    if "environment" in request.path_params:
        return
    seen = any(actor.sees_environment(one) for one in place.environments)
    if whole or not seen or request.method not in _READS:
        actor.check_environments(place.environments)


async def authenticate(request: Request) -> Actor:
    """Give whoever asks, within the rate of their key."""
    identity: Identity = request.state.identity
    if (key_hash := getattr(request.state, "key_hash", None)) is not None:
        # By the stream: only our own process can say so, and its length is its bound.
        return await identity.by_hash(key_hash)
    address = address_of(request)
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(COOKIE)
    if kind.lower() == "bearer" and key.strip():
        actor = await identity.by_key(key.strip(), address)
    elif cookie and not kind:
        session = await identity.by_cookie(cookie, address)
        actor, request.state.session_ends = session.actor, session.expires_at
        given = request.headers.get(CSRF_HEADER, "")
        if request.method not in _READS and not hmac.compare_digest(
            given.encode(), csrf_token(cookie).encode()
        ):
            raise errors.Forbidden(
                "A change by cookie needs the header X-CSRF-Token; GET /v1/session tells it.",
                code="csrf_token_needed",
            )
    else:
        await identity.refuse_without_key(address)
    await identity.spend(actor)
    return actor


def address_of(request: Request) -> str | None:
    """Give where the request came from, by nginx's word where the process trusts it."""
    return request.client.host if request.client else None


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Say in the API's description how to be let in, and what each route answers to others."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path in document.get("paths", {}).values():
        for operation in path.values():
            if _ROLE not in operation:
                continue
            role = operation[_ROLE]
            operation["security"] = [{"key": [role]}, {"session": [role]}]
            answers = problems.responses(401, 403, 429, 503)
            operation["responses"].update({str(k): v for k, v in answers.items()})
    return document


def install(app: FastAPI) -> None:
    """Have the API's description tell it."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        fresh = app.openapi_schema is None
        document = original()
        return describe(document) if fresh else document

    app.openapi = openapi  # type: ignore[method-assign]


async def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


TheActor = Annotated[Actor, Depends(_actor)]
