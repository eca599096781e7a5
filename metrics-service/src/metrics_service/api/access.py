"""Who asks: the same keys and roles as at the gateway, checked before the request is read."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from ledger.access.identity import Identity
from ledger.domain.actors import Role

_ROLE: Final = "x-least-role"


def least(role: Role) -> dict[str, Any]:
    """Say who may use a route: `openapi_extra=least(Role.VIEWER)`; Guarded holds it."""
    return {_ROLE: str(role)}


class Guarded(APIRoute):
    """A route that lets in who has the role it asks; one that asks none is the admin's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        role = Role((self.openapi_extra or {}).get(_ROLE, Role.ADMIN))

        async def guarded(request: Request) -> Response:
            identity: Identity = request.state.identity
            address = request.client.host if request.client else None
            given = request.headers.get("authorization", "")
            actor = await identity.by_header(given, address)
            actor.check_role(role)
            return await handle(request)

        return guarded
