"""What a handler is given."""

from typing import Annotated

from fastapi import Depends, Request

from log_service.services.dead import Dead
from log_service.services.intake import Intake
from log_service.services.queries import Queries
from log_service.services.tails import Tails


async def _intake(request: Request) -> Intake:
    intake: Intake = request.state.intake
    return intake


async def _queries(request: Request) -> Queries:
    queries: Queries = request.state.queries
    return queries


async def _dead(request: Request) -> Dead:
    dead: Dead = request.state.dead
    return dead


async def _tails(request: Request) -> Tails:
    tails: Tails = request.state.tails
    return tails


TheIntake = Annotated[Intake, Depends(_intake)]
TheQueries = Annotated[Queries, Depends(_queries)]
TheDead = Annotated[Dead, Depends(_dead)]
TheTails = Annotated[Tails, Depends(_tails)]
