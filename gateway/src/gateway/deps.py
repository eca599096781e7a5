"""What a handler is given."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.services.batches import Batches
from gateway.services.config import Config
from gateway.services.drift import Drift
from gateway.services.history import Histories
from gateway.services.identity import Identity
from gateway.services.imports import Imports
from gateway.services.keys import Keys
from gateway.services.logins import Logins
from gateway.services.readers import Readers
from gateway.services.repairs import Repairs
from gateway.services.roll import Roll
from gateway.services.rounds import Rounds
from gateway.services.standings import Standings
from gateway.services.table_commands import TableCommands
from gateway.services.tables import Tables


async def _histories(request: Request) -> Histories:
    histories: Histories = request.state.histories
    return histories


async def _readers(request: Request) -> Readers:
    readers: Readers = request.state.readers
    return readers


async def _repairs(request: Request) -> Repairs:
    repairs: Repairs = request.state.repairs
    return repairs


async def _batches(request: Request) -> Batches:
    batches: Batches = request.state.batches
    return batches


def _roll(request: Request) -> Roll:
    roll: Roll = request.state.roll
    return roll


async def _rounds(request: Request) -> Rounds:
    rounds: Rounds = request.state.rounds
    return rounds


async def _drift(request: Request) -> Drift:
    drift: Drift = request.state.drift
    return drift


async def _table_commands(request: Request) -> TableCommands:
    commands: TableCommands = request.state.table_commands
    return commands


async def _tables(request: Request) -> Tables:
    tables: Tables = request.state.tables
    return tables


async def _config(request: Request) -> Config:
    config: Config = request.state.config
    return config


async def _identity(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


async def _keys(request: Request) -> Keys:
    keys: Keys = request.state.keys
    return keys


async def _logins(request: Request) -> Logins:
    logins: Logins = request.state.logins
    return logins


async def _imports(request: Request) -> Imports:
    imports: Imports = request.state.imports
    return imports


async def _standings(request: Request) -> Standings:
    standings: Standings = request.state.standings
    return standings


TheHistories = Annotated[Histories, Depends(_histories)]
TheReaders = Annotated[Readers, Depends(_readers)]
TheRepairs = Annotated[Repairs, Depends(_repairs)]
TheBatches = Annotated[Batches, Depends(_batches)]
TheRoll = Annotated[Roll, Depends(_roll)]
TheRounds = Annotated[Rounds, Depends(_rounds)]
TheDrift = Annotated[Drift, Depends(_drift)]
TheTableCommands = Annotated[TableCommands, Depends(_table_commands)]
TheTables = Annotated[Tables, Depends(_tables)]
TheConfig = Annotated[Config, Depends(_config)]
TheIdentity = Annotated[Identity, Depends(_identity)]
TheKeys = Annotated[Keys, Depends(_keys)]
TheLogins = Annotated[Logins, Depends(_logins)]
TheImports = Annotated[Imports, Depends(_imports)]
TheStandings = Annotated[Standings, Depends(_standings)]
