"""Who asks: a key, checked before the request is read, and what a route asks of it."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from fleetkit import errors
from ledger.access.identity import Identity
from ledger.domain.actors import Actor, Role

_ROLE: Final = "x-least-role"

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def least(role: Role) -> dict[str, Any]:
    """Say who may use a route: `openapi_extra=least(Role.VIEWER)`; Guarded holds it."""
    return {_ROLE: str(role), "security": [{"key": [str(role)]}]}


class Guarded(APIRoute):
    """A route that answers nobody without a key."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()
        role = Role((self.openapi_extra or {}).get(_ROLE, Role.ADMIN))

        async def guarded(request: Request) -> Response:
            request.state.actor = await admit(request, role)
            return await handle(request)

        return guarded


async def admit(request: Request, role: Role) -> Actor:
    """Give whoever asks, if that is one who may."""
    actor = await authenticate(request)
    actor.check_role(role)
    if role is Role.DEVICE:
        _check_writes(actor)
    else:
        # Lines are of all tables and environments alike.
        actor.check_unlimited()
    return actor


def _check_writes(actor: Actor) -> None:
    if actor.role is Role.VIEWER:
        raise errors.Forbidden(
            "A key of the role viewer only reads; logs are sent with one of the role device.",
            code="role_too_low",
        )


async def authenticate(request: Request) -> Actor:
    """Give whoever asks, within the rate of their key."""
    identity: Identity = request.state.identity
    address = request.client.host if request.client else None
    return await identity.by_header(request.headers.get("authorization", ""), address)


def recheck(request: Request) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Ask again whose key it is; that costs nothing of the key's rate."""
    identity: Identity = request.state.identity
    key = request.headers.get("authorization", "").partition(" ")[2].strip()

    async def still_allowed() -> bool:
        try:
            actor = await identity.by_key(key, None)
        except (errors.Unauthenticated, errors.TooMany):
            return False
        except errors.Unavailable:
            return True
        return actor.role.covers(Role.VIEWER)

    return still_allowed


async def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


TheActor = Annotated[Actor, Depends(_actor)]
