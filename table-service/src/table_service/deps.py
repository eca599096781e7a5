"""What a handler is given."""

from typing import Annotated

from fastapi import Depends, Request

from table_service.services.delivering import Deliverer


async def _deliverer(request: Request) -> Deliverer:
    deliverer: Deliverer = request.state.deliverer
    return deliverer


TheDeliverer = Annotated[Deliverer, Depends(_deliverer)]
