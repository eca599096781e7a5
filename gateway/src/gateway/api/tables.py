"""The routes of tables."""

from fastapi import APIRouter, Response

from fleetkit import problems
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.models import TableAnswer, TablesAnswer
from gateway.api.rounds import TableName
from gateway.deps import TheTables
from ledger.domain.actors import Role

router = APIRouter(prefix="/v1/tables", tags=["tables"], route_class=Guarded)


@router.get(
    "",
    summary="List tables",
    openapi_extra=least(Role.VIEWER),
    response_model=TablesAnswer,
    responses=problems.responses(401, 503),
)
async def find(tables: TheTables, actor: TheActor) -> Response:
    """List all tables with their targets, open rounds and readiness."""
    return JsonAnswer({"tables": [shapes.table(one) for one in await tables.all(actor)]})


@router.get(
    "/{table}",
    summary="Read a table",
    openapi_extra=least(Role.VIEWER),
    response_model=TableAnswer,
    responses=problems.responses(401, 404, 503),
)
async def read(table: TableName, tables: TheTables, actor: TheActor) -> Response:
    """Read one table: where it is mirrored and whether a round can begin."""
    return JsonAnswer(shapes.table(await tables.get(table, actor)))
