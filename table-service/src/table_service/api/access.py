"""The inner door's lock: the key that all of the fleet's own processes share."""

import secrets

from fastapi import Request

from fleetkit import errors


def admit(request: Request) -> None:
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(shown.encode(), request.state.inner_key.encode()):
        raise errors.Unauthenticated("The inner door takes the fleet's own key only.")
