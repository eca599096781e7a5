"""The route of a table's drift."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from fleetkit import problems
from fleetkit.service import JsonAnswer
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.api.rounds import TableName
from gateway.deps import TheDrift
from gateway.services.drift import Compared
from ledger.domain.actors import Role
from ledger.domain.drift import Known
from ledger.domain.tableview import TableView

router = APIRouter(
    prefix="/v1/tables/{table}/drift",
    tags=["tables"],
    route_class=Guarded,
)


class ReportAnswer(BaseModel):
    """What the target says; `paused` is the reason of a pause, null when it is not paused."""

    round_id: str | None
    status: str
    result: dict[str, Any] | None
    paused: str | None


class LedgerAnswer(BaseModel):
    """What the ledger knows of the target's latest round."""

    round: str | None
    state: str | None
    leg: str | None
    external_round_id: str | None
    result: dict[str, Any] | None
    last: str | None
    outcome: str | None
    paused: str | None


class TargetDriftAnswer(BaseModel):
    """One target, what differs, and the one call that would mend it."""

    environment: str
    game_code: str
    served_by: str
    reports: ReportAnswer | None
    ledger: LedgerAnswer
    drift: str | None
    sentence: str
    repair: str | None


class DriftAnswer(BaseModel):
    """All targets of a table."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "table": "ARO-001",
                    "targets": [
                        {
                            "environment": "PRD",
                            "game_code": "ARO-001",
                            "served_by": "ARO-001",
                            "reports": {
                                "round_id": "ARO-001-20261121-090000",
                                "status": "bet-stopped",
                                "result": None,
                                "paused": None,
                            },
                            "ledger": {
                                "round": "01JD0000000000000000000000",
                                "state": "dealt",
                                "leg": "bet_stopped",
                                "external_round_id": "ARO-001-20261121-090000",
                                "result": {"roulette": "17"},
                                "last": "result",
                                "outcome": "rejected",
                                "paused": None,
                            },
                            "drift": "result_missing",
                            "sentence": "The table has not the round's result.",
                            "repair": "POST /v1/rounds/01JD0000000000000000000000/legs/PRD/ARO-001"
                            "/retry",
                        }
                    ],
                }
            ]
        }
    )

    table: str
    targets: list[TargetDriftAnswer]


@router.get(
    "",
    summary="Compare a table with the ledger",
    openapi_extra=least(Role.VIEWER),
    response_model=DriftAnswer,
    responses=problems.responses(401, 404, 422, 503),
)
async def read(table: TableName, drift: TheDrift, actor: TheActor) -> Response:
    """Look at every target, and say what differs from the ledger and what would mend it."""
    found = await drift.of(table, actor)
    return JsonAnswer({"table": table, "targets": [_shape(one) for one in found]})


def _shape(one: Compared) -> dict[str, object]:
    place = one.place
    return {
        "environment": place.environment,
        "game_code": place.game_code,
        "served_by": place.served_by,
        "reports": _reports(one.seen.table),
        "ledger": _ledger(place.rounds[0] if place.rounds else None, place.paused),
        "drift": one.finding.drift,
        "sentence": one.finding.sentence,
        "repair": one.finding.repair,
    }


def _reports(table: TableView | None) -> dict[str, object] | None:
    if table is None:
        return None
    return {
        "round_id": table.round_id,
        "status": table.status,
        "result": table.result,
        "paused": table.paused,
    }


def _ledger(known: Known | None, paused: str | None) -> dict[str, object]:
    return {
        "round": known.round if known else None,
        "state": known.round_state if known else None,
        "leg": known.leg_state if known else None,
        "external_round_id": known.external_round_id if known else None,
        "result": known.result if known else None,
        "last": known.command if known else None,
        "outcome": known.state if known else None,
        "paused": paused,
    }
