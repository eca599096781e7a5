"""The routes of configuration as a whole: files in and out, and which replica runs what."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from pydantic import WithJsonSchema
from pydantic.config import JsonDict

from fleetkit import errors, problems
from fleetkit.service import JsonAnswer
from gateway.api import config_shapes
from gateway.api.access import TheActor, least
from gateway.api.config_models import Because, ConfigStatusAnswer, DryRun, ImportAnswer
from gateway.api.config_tries import Tried
from gateway.api.models import Word
from gateway.deps import TheConfig, TheImports, TheStandings
from gateway.services.changes import Intent
from gateway.services.imports import WHOLE, Old
from ledger.domain.actors import Role

router = APIRouter(
    prefix="/v1/config",
    tags=["configuration"],
    route_class=Tried,
)

_OLD: JsonDict = {
    "name": "CIT",
    "get_url": "https://table-api.cit.example/v2/service/tables/",
    "post_url": "https://table-api.cit.example/v2/service/tables/",
    "game_code": "ARO-001",
}
# Read by hand: what is wrong in a file is told by its place in the file.
_FILE: JsonDict = {
    "anyOf": [{"type": "array", "items": {}}, {"type": "object"}],
    "examples": [[_OLD]],
}


@router.post(
    "/import",
    summary="Import a file",
    response_model=ImportAnswer,
    responses=problems.responses(400, 401, 403, 409, 413, 422, 503),
    openapi_extra=least(Role.ADMIN),
)
async def take(
    content: Annotated[object, WithJsonSchema(_FILE), Body()],
    imports: TheImports,
    actor: TheActor,
    *,
    table: Annotated[Word | None, Query(description="The table the targets are of.")] = None,
    type: Annotated[  # noqa: A002 - the word of the document
        str | None, Query(max_length=64, description="Its game; else as it is known already.")
    ] = None,
    rename: Annotated[
        list[str] | None, Query(description="A name in the file and ours: SIT:CIT.", max_length=100)
    ] = None,
    dry_run: DryRun = False,
    reason: Because = None,
) -> Response:
    """Take in an old `table-config-*-v2.json`, a list or a map by name, or an export of ours.

    A name with a suffix, such as CIT-2, is a further target of its environment. All is written, or
    nothing is.
    """
    intent = Intent(actor, "config.import", reason, dry_run=dry_run)
    old = Old(table, type, _read_names(rename or []))
    taken = await imports.take(content, old, intent)
    return JsonAnswer(config_shapes.taken(taken, dry_run=dry_run))


EXPORTED = {
    "environments": [
        {
            "environment": "PRD",
            "base_url": "https://table-api.prd.example/v2/service",
            "tables": [{"id": "ARO-001", "type": "speed_roulette"}],
        }
    ]
}


@router.get(
    "/export",
    summary="Export",
    response_model=None,
    responses={
        200: {
            "description": "A file that the import takes.",
            "content": {"application/json": {"example": EXPORTED}},
        },
        **problems.responses(401, 403, 404, 422, 503),
    },
    openapi_extra=least(Role.VIEWER, unlimited=True),
)
async def give(
    config: TheConfig,
    imports: TheImports,
    table: Annotated[
        Word | None, Query(description="Only this table, as the old files had it.")
    ] = None,
) -> Response:
    """Give all environments as a file that the import takes, or one table in the old form."""
    if table is not None:
        return JsonAnswer(await imports.give_old(table))
    documents = [one.document for one in await config.all()]
    return JsonAnswer(
        {WHOLE: [one.model_dump(mode="json", by_alias=True) for one in documents]},
    )


@router.get(
    "/status",
    summary="Who runs which version",
    response_model=ConfigStatusAnswer,
    responses=problems.responses(401, 403, 503),
    openapi_extra=least(Role.VIEWER),
)
async def status(standings: TheStandings, actor: TheActor) -> Response:
    """Say of each environment which replica runs which version, and which one it refused."""
    found = await standings.read()
    return JsonAnswer(config_shapes.stands(found, actor.sees_environment))


def _read_names(pairs: list[str]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        old, _, new = pair.partition(":")
        if not old or not new:
            raise errors.Invalid(
                "rename takes a name in the file and ours: SIT:CIT.", field="query.rename"
            )
        names[old] = new
    return names
