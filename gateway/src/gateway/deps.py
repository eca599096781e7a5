"""What a handler is given."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.services.config import Config
from gateway.services.drift import Drift
from gateway.services.history import Histories
from gateway.services.repairs import Repairs
from gateway.services.rounds import Rounds
from gateway.services.table_commands import TableCommands
from gateway.services.tables import Tables


def _histories(request: Request) -> Histories:
    histories: Histories = request.state.histories
    return histories


def _repairs(request: Request) -> Repairs:
    repairs: Repairs = request.state.repairs
    return repairs


def _rounds(request: Request) -> Rounds:
    rounds: Rounds = request.state.rounds
    return rounds


def _drift(request: Request) -> Drift:
    drift: Drift = request.state.drift
    return drift


def _table_commands(request: Request) -> TableCommands:
    commands: TableCommands = request.state.table_commands
    return commands


def _tables(request: Request) -> Tables:
    tables: Tables = request.state.tables
    return tables


def _config(request: Request) -> Config:
    config: Config = request.state.config
    return config


TheHistories = Annotated[Histories, Depends(_histories)]
TheRepairs = Annotated[Repairs, Depends(_repairs)]
TheRounds = Annotated[Rounds, Depends(_rounds)]
TheDrift = Annotated[Drift, Depends(_drift)]
TheTableCommands = Annotated[TableCommands, Depends(_table_commands)]
TheTables = Annotated[Tables, Depends(_tables)]
TheConfig = Annotated[Config, Depends(_config)]
