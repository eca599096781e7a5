"""What a handler is given."""

from typing import Annotated, TypedDict

from fastapi import Depends, Request

from fleetkit.cache import Cache
from fleetkit.database import Database
from gateway.services.config import Config
from gateway.services.idempotency import Idempotency
from gateway.services.rounds import Rounds
from gateway.services.tables import Tables


class State(TypedDict):
    """What the lifespan yields."""

    database: Database
    cache: Cache
    rounds: Rounds
    tables: Tables
    config: Config
    idempotency: Idempotency
    admin_key: str


def _rounds(request: Request) -> Rounds:
    rounds: Rounds = request.state.rounds
    return rounds


def _tables(request: Request) -> Tables:
    tables: Tables = request.state.tables
    return tables


def _config(request: Request) -> Config:
    config: Config = request.state.config
    return config


TheRounds = Annotated[Rounds, Depends(_rounds)]
TheTables = Annotated[Tables, Depends(_tables)]
TheConfig = Annotated[Config, Depends(_config)]
