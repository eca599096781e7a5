"""`POST /looks`: targets looked at, nothing sent to them and nothing written."""

import orjson
from fastapi import APIRouter, Request, Response

from fleetkit import errors
from table_service.api.access import admit
from table_service.services.looking import Sight

router = APIRouter(tags=["looks"])


@router.post("/looks", include_in_schema=False)
async def look(request: Request) -> Response:
    """Give what each target shows, or why it could not be seen, in the order asked."""
    admit(request)
    try:
        sights = [Sight(**record) for record in orjson.loads(await request.body())]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise errors.Malformed("That is no list of targets.") from error
    seen = await request.state.looker.look(sights)
    return Response(orjson.dumps(seen), media_type="application/json")
