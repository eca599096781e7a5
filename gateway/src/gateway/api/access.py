"""Who asks: the bearer key, checked before anything of the request is read."""

import secrets
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from fleetkit import errors
from gateway.domain.actors import Actor

# For the Authorize button of Swagger UI; the check itself is below.
scheme = HTTPBearer(auto_error=False, description="The key you were given.")


def authenticate(request: Request) -> Actor:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise errors.Unauthenticated(
            "A key is needed: send it as Authorization: Bearer <key>.", code="no_key"
        )
    if not secrets.compare_digest(key.strip().encode(), request.state.admin_key.encode()):
        raise errors.Unauthenticated("This key is not known, or no longer valid.", code="wrong_key")
    return Actor(name="admin", role="admin")


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


TheActor = Annotated[Actor, Depends(_actor)]
