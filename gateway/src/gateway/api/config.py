"""The routes of configuration."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Response, Security

from fleetkit import errors, problems
from fleetkit.service import JsonAnswer
from gateway.api import shapes
from gateway.api.access import TheActor, scheme
from gateway.api.door import Guarded
from gateway.api.models import VersionAnswer, VersionsAnswer
from gateway.deps import TheConfig
from ledger.domain.config import Environment

router = APIRouter(
    prefix="/v1/config/environments",
    tags=["configuration"],
    route_class=Guarded,
    dependencies=[Security(scheme)],
)

EXAMPLE = {
    "environment": "PRD",
    "base_url": "https://table-api.prd.example/v2/service",
    "primary": True,
    "tables": [{"id": "ARO-001", "type": "speed_roulette"}],
}

EnvironmentName = Annotated[str, Path(pattern=r"^[A-Z][A-Z0-9_-]{0,31}$", examples=["PRD"])]


@router.get(
    "",
    summary="List environments",
    response_model=VersionsAnswer,
    responses=problems.responses(401, 503),
)
async def find(config: TheConfig) -> Response:
    """List the newest version of every environment."""
    return JsonAnswer({"environments": [shapes.version(one) for one in await config.all()]})


@router.get(
    "/{environment}",
    summary="Read an environment",
    response_model=VersionAnswer,
    responses=problems.responses(401, 404, 422, 503),
)
async def read(environment: EnvironmentName, config: TheConfig) -> Response:
    """Read the newest version of an environment's configuration."""
    found = await config.get(environment)
    return JsonAnswer(shapes.version(found), headers={"etag": f'"{found.version}"'})


@router.put(
    "/{environment}",
    summary="Put an environment",
    response_model=VersionAnswer,
    responses={
        201: {"model": VersionAnswer, "description": "The environment is new."},
        **problems.responses(400, 401, 412, 413, 422, 503),
    },
)
async def put(
    environment: EnvironmentName,
    document: Annotated[Environment, Body(examples=[EXAMPLE])],
    config: TheConfig,
    actor: TheActor,
    if_match: Annotated[str | None, Header(max_length=32)] = None,
) -> Response:
    """Add a version; with If-Match only when it builds on the newest."""
    if document.environment != environment:
        raise errors.Invalid(
            f"The document is of {document.environment}, the address of {environment}.",
            field="body.environment",
        )
    found = await config.put(document, author=actor.name, expected=_version(if_match))
    return JsonAnswer(
        shapes.version(found),
        status_code=201 if found.version == 1 else 200,
        headers={"etag": f'"{found.version}"'},
    )


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().strip('"')
    if not tag.isascii() or not tag.isdigit():
        raise errors.Invalid('If-Match takes a version, such as "3".', field="header.if-match")
    return int(tag)
