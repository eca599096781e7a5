"""The route of the replicas that are there."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from fleetkit import problems
from fleetkit.clock import Timestamp, rfc3339
from fleetkit.registry import Replica
from fleetkit.service import JsonAnswer
from gateway.api.access import TheActor, least
from gateway.api.door import Guarded
from gateway.deps import TheRoll
from ledger.domain.actors import Role

router = APIRouter(prefix="/v1", tags=["services"], route_class=Guarded)


class RefusedAnswer(BaseModel):
    """A version that the replica can't use, and why."""

    version: int
    reason: str


class InForceAnswer(BaseModel):
    """The version of an environment that the replica works by."""

    version: int | None
    refused: RefusedAnswer | None


class ReplicaAnswer(BaseModel):
    """One process of the fleet, as it last told of itself."""

    service: str
    instance: str
    environment: str | None
    version: str
    started: Timestamp
    last_heartbeat: Timestamp | None
    in_flight: int | None
    config: dict[str, InForceAnswer]


class ServicesAnswer(BaseModel):
    """All replicas; `degraded` when Redis is away and only their names are known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "degraded": False,
                    "services": [
                        {
                            "service": "table-service-prd",
                            "instance": "table-service-prd-1",
                            "environment": "PRD",
                            "version": "0.1.0",
                            "started": "2026-11-21T08:00:00.000Z",
                            "last_heartbeat": "2026-11-21T09:00:00.000Z",
                            "in_flight": 2,
                            "config": {"PRD": {"version": 3, "refused": None}},
                        }
                    ],
                }
            ]
        }
    )

    degraded: bool
    services: list[ReplicaAnswer]


@router.get(
    "/services",
    summary="List the replicas",
    response_model=ServicesAnswer,
    responses=problems.responses(401, 403, 503),
    openapi_extra=least(Role.VIEWER),
)
async def find(roll: TheRoll, actor: TheActor) -> Response:
    """List who is there: gone at once after a clean stop, 15 s after a kill.

    A key that is limited to environments sees their replicas, and those of no environment.
    """
    called = (await roll.call()).within(actor)
    found = [_shape(one) for one in called.replicas]
    return JsonAnswer({"degraded": called.degraded, "services": found})


def _shape(replica: Replica) -> dict[str, Any]:
    return {
        "service": replica.service,
        "instance": replica.instance,
        "environment": replica.environment,
        "version": replica.version,
        "started": rfc3339(replica.started),
        "last_heartbeat": rfc3339(replica.heartbeat) if replica.heartbeat else None,
        "in_flight": replica.in_flight,
        "config": dict(replica.config),
    }
