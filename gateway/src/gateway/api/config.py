"""The routes of environments' configuration."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response

from fleetkit import errors, problems
from fleetkit.service import JsonAnswer
from gateway.api import config_shapes, shapes
from gateway.api.access import TheActor, least
from gateway.api.config_models import (
    Because,
    ChangedAnswer,
    DiffAnswer,
    DryRun,
    EnvironmentName,
    GameCode,
    HistoryAnswer,
    Number,
    RollbackBody,
    TargetBody,
    TriedAnswer,
    VersionNumber,
)
from gateway.api.config_tries import Tried
from gateway.api.models import VersionAnswer, VersionsAnswer
from gateway.deps import TheConfig
from gateway.services.changes import Change, Intent
from ledger.domain.actors import Actor, Role
from ledger.domain.config import Environment, Target

router = APIRouter(
    prefix="/v1/config/environments",
    tags=["configuration"],
    route_class=Tried,
)

EXAMPLE = {
    "environment": "PRD",
    "base_url": "https://table-api.prd.example/v2/service",
    "primary": True,
    "tables": [{"id": "ARO-001", "type": "speed_roulette"}],
}

_READS = least(Role.VIEWER)
_CHANGES = least(Role.ADMIN)
_CHANGED: dict[int | str, dict[str, Any]] = {
    200: {"model": ChangedAnswer | TriedAnswer, "description": "The new version, or the trial."},
    **problems.responses(400, 401, 403, 404, 409, 412, 413, 422, 503),
}
_NEW: dict[int | str, dict[str, Any]] = {201: {"model": ChangedAnswer, "description": "It is new."}}

IfMatch = Annotated[str | None, Header(max_length=32)]


@router.get(
    "",
    summary="List environments",
    response_model=VersionsAnswer,
    responses=problems.responses(401, 503),
    openapi_extra=_READS,
)
async def find(config: TheConfig, actor: TheActor) -> Response:
    """List the newest version of every environment."""
    found = [one for one in await config.all() if actor.sees_environment(one.environment)]
    return JsonAnswer({"environments": [shapes.version(one) for one in found]})


@router.get(
    "/{environment}",
    summary="Read an environment",
    response_model=VersionAnswer,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
    openapi_extra=_READS,
)
async def read(environment: EnvironmentName, config: TheConfig) -> Response:
    """Read the newest version of an environment's configuration."""
    found = await config.get(environment)
    return JsonAnswer(shapes.version(found), headers={"etag": f'"{found.version}"'})


@router.put(
    "/{environment}",
    summary="Put an environment",
    response_model=None,
    responses={**_CHANGED, **_NEW},
    openapi_extra=_CHANGES,
)
async def put(
    environment: EnvironmentName,
    document: Annotated[Environment, Body(examples=[EXAMPLE])],
    config: TheConfig,
    actor: TheActor,
    *,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    reason: Because = None,
) -> Response:
    """Add a version; with If-Match only when it builds on the newest."""
    if document.environment != environment:
        raise errors.Invalid(
            f"The document is of {document.environment}, the address of {environment}.",
            field="body.environment",
        )
    _check_whole(actor)
    intent = Intent(actor, "config.put", reason, _version(if_match), dry_run)
    change = await config.put(document, intent)
    return _answer(change, new=change.before is None)


@router.put(
    "/{environment}/tables/{game_code}",
    summary="Put a table",
    response_model=None,
    responses={**_CHANGED, **_NEW},
    openapi_extra=_CHANGES,
)
async def put_table(
    environment: EnvironmentName,
    game_code: GameCode,
    body: TargetBody,
    config: TheConfig,
    actor: TheActor,
    *,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    reason: Because = None,
) -> Response:
    """Add a target to an environment, or replace it."""
    if body.id not in (None, game_code):
        raise errors.Invalid(
            f"The body is of {body.id}, the address of {game_code}.", field="body.id"
        )
    target = config_shapes.target(Target, body.model_dump(exclude_unset=True), game_code)
    intent = Intent(actor, "config.put_table", reason, _version(if_match), dry_run)
    change, new = await config.put_target(environment, target, intent)
    return _answer(change, new=new)


@router.delete(
    "/{environment}/tables/{game_code}",
    summary="Remove a table",
    response_model=None,
    responses=_CHANGED,
    openapi_extra=_CHANGES,
)
async def remove_table(
    environment: EnvironmentName,
    game_code: GameCode,
    config: TheConfig,
    actor: TheActor,
    *,
    drain: Annotated[
        bool, Query(description="Also with an open round there, which then runs to its end.")
    ] = False,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    reason: Because = None,
) -> Response:
    """Take a target out of an environment; no later start reaches it."""
    intent = Intent(actor, "config.remove_table", reason, _version(if_match), dry_run)
    return _answer(await config.remove_target(environment, game_code, intent, drain=drain))


@router.get(
    "/{environment}/versions",
    summary="List versions",
    response_model=HistoryAnswer,
    responses=problems.responses(401, 403, 404, 422, 503),
    openapi_extra=_READS,
)
async def history(
    environment: EnvironmentName,
    config: TheConfig,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Number | None, Query()] = None,
) -> Response:
    """List an environment's versions, newest first: who made each, when and why."""
    found = await config.history(environment, below=cursor, limit=limit)
    more = len(found) == limit and found[-1].version > 1
    return JsonAnswer(
        {
            "versions": [config_shapes.entry(one) for one in found],
            "next_cursor": str(found[-1].version) if more else None,
        }
    )


@router.get(
    "/{environment}/versions/{version}",
    summary="Read a version",
    response_model=VersionAnswer,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
    openapi_extra=_READS,
)
async def read_version(
    environment: EnvironmentName, version: VersionNumber, config: TheConfig
) -> Response:
    """Read one version of an environment's configuration."""
    return JsonAnswer(shapes.version(await config.get(environment, version)))


@router.get(
    "/{environment}/diff",
    summary="Compare versions",
    response_model=DiffAnswer,
    responses=problems.responses(401, 403, 404, 409, 422, 503),
    openapi_extra=_READS,
)
async def diff(
    environment: EnvironmentName,
    config: TheConfig,
    start: Annotated[int | None, Query(alias="from", ge=0, le=2_147_483_647)] = None,
    to: Annotated[Number | None, Query()] = None,
) -> Response:
    """List what differs between two versions; by default the newest and the one before it."""
    first, last, found = await config.diff(environment, start, to)
    return JsonAnswer(
        {
            "environment": environment,
            "from": first,
            "to": last,
            "diff": [config_shapes.difference(one) for one in found],
        }
    )


@router.post(
    "/{environment}/rollback",
    summary="Go back to a version",
    response_model=None,
    responses=_CHANGED,
    openapi_extra=_CHANGES,
)
async def roll_back(
    environment: EnvironmentName,
    body: RollbackBody,
    config: TheConfig,
    actor: TheActor,
    *,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Write an old version again as the newest; rounds that run end where they began."""
    _check_whole(actor)
    intent = Intent(actor, "config.rollback", body.reason, _version(if_match), dry_run)
    return _answer(await config.rollback(environment, body.version, intent))


def _answer(change: Change, *, new: bool = False) -> Response:
    if change.version is None:
        return JsonAnswer(config_shapes.tried(change))
    return JsonAnswer(
        {**shapes.version(change.version), "warnings": list(change.warnings)},
        status_code=201 if new else 200,
        headers={"etag": f'"{change.version.version}"'},
    )


def _check_whole(actor: Actor) -> None:
    """Refuse a key that is limited to tables a document that holds others too."""
    if actor.tables is not None:
        actor.check_unlimited()


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().strip('"')
    if not tag.isascii() or not tag.isdigit():
        raise errors.Invalid('If-Match takes a version, such as "3".', field="header.if-match")
    return int(tag)
