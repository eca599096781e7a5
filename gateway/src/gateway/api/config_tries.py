"""A route whose `dry_run` lists what is wrong in a body instead of refusing it."""

from typing import Final

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from fleetkit import errors, problems
from fleetkit.service import JsonAnswer
from gateway.api import config_shapes
from gateway.api.door import HEADER, Guarded, Handle

_YES: Final = frozenset({"true", "1", "yes", "on", "t", "y"})


class Tried(Guarded):
    """Answers a dry run of a wrong body with its errors, as there is nothing to protect."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def tried(request: Request) -> Response:
            if request.query_params.get("dry_run", "").lower() not in _YES:
                return _tagged(request, await handle(request))
            try:
                return await handle(request)
            except RequestValidationError as error:
                if any(
                    problem["type"] == "json_invalid" or problem["loc"][:1] != ("body",)
                    for problem in error.errors()
                ):
                    raise
                wrong = problems.listed_in(error)
            except errors.Invalid as error:
                if not (error.field or "").startswith("body"):
                    raise
                wrong = [{"field": str(error.field), "detail": error.detail}]
            environment = request.path_params.get("environment")
            if environment is None:
                return JsonAnswer(config_shapes.refused_file(wrong))
            return JsonAnswer(config_shapes.refused(environment, wrong))

        return tried


def _tagged(request: Request, response: Response) -> Response:
    """Tag an answer that came from under an Idempotency-Key: only its body is kept there."""
    if request.method == "POST" and HEADER in request.headers:
        version = orjson.loads(bytes(response.body)).get("version")
        if version is not None:
            response.headers["etag"] = f'"{version}"'
    return response
