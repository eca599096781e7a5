"""The routes of tables."""

from fastapi import APIRouter, Response, Security

from fleetkit import problems
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import scheme
from gateway.api.door import Guarded
from gateway.api.models import TableAnswer, TablesAnswer
from gateway.api.rounds import TableName
from gateway.deps import TheTables

router = APIRouter(
    prefix="/v1/tables", tags=["tables"], route_class=Guarded, dependencies=[Security(scheme)]
)


@router.get(
    "",
    summary="List tables",
    response_model=TablesAnswer,
    responses=problems.responses(401, 503),
)
async def find(tables: TheTables) -> Response:
    """List all tables with their targets, open rounds and readiness."""
    return JsonAnswer({"tables": [shapes.table(one) for one in await tables.all()]})


@router.get(
    "/{table}",
    summary="Read a table",
    response_model=TableAnswer,
    responses=problems.responses(401, 404, 503),
)
async def read(table: TableName, tables: TheTables) -> Response:
    """Read one table: where it is mirrored and whether a round can begin."""
    return JsonAnswer(shapes.table(await tables.get(table)))
