"""`POST /deliveries`: leases handed over by the gateway, carried before the answer."""

import orjson
from fastapi import APIRouter, Request, Response

from fleetkit import errors
from ledger.domain.deliveries import Lease
from table_service.api.access import admit

router = APIRouter(tags=["deliveries"])


@router.post("/deliveries", include_in_schema=False)
async def deliver(request: Request) -> Response:
    """Carry the leases and say how many settlements were written.

    Read without a model, and answered past FastAPI: the gateway wrote it a moment ago, and this
    is the path of every command.
    """
    admit(request)
    try:
        leases = [Lease.from_wire(record) for record in orjson.loads(await request.body())]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise errors.Malformed("That is no list of leases.") from error
    ours = request.state.environment
    if any(lease.environment != ours for lease in leases):
        # An address changes hands when containers come and go; nothing was carried, so say so.
        raise errors.NotFound(f"This is a replica of {ours}.", code="no_pool")
    settled = await request.state.deliverer.deliver(leases)
    return Response(orjson.dumps({"settled": len(settled)}), media_type="application/json")
