"""What a handler is given."""

from typing import Annotated, TypedDict

from fastapi import Depends, Request

from fleetkit.cache import Cache
from fleetkit.database import Database
from table_service.services.courier import Courier
from table_service.services.delivering import Deliverer


class State(TypedDict):
    """What the lifespan yields."""

    database: Database
    cache: Cache
    courier: Courier
    deliverer: Deliverer
    inner_key: str


def _deliverer(request: Request) -> Deliverer:
    deliverer: Deliverer = request.state.deliverer
    return deliverer


TheDeliverer = Annotated[Deliverer, Depends(_deliverer)]
