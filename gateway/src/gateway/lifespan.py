"""The wiring of a gateway: what is opened, in which order, and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI

from fleetkit.cache import Cache
from fleetkit.database import Database
from gateway.adapters.breakers import Breakers
from gateway.adapters.catalog import Catalog
from gateway.adapters.looks import Looks
from gateway.adapters.replicas import Replicas
from gateway.adapters.settlements import Settlements
from gateway.services import upkeep
from gateway.services.config import Config
from gateway.services.dispatch import Dispatch
from gateway.services.drift import Drift
from gateway.services.history import Histories
from gateway.services.idempotency import Idempotency
from gateway.services.repairs import Repairs
from gateway.services.rounds import Rounds
from gateway.services.table_commands import TableCommands
from gateway.services.tables import Tables
from gateway.settings import Settings

POOL = 16


class State(TypedDict):
    """What the lifespan yields."""

    database: Database
    cache: Cache
    histories: Histories
    repairs: Repairs
    rounds: Rounds
    table_commands: TableCommands
    drift: Drift
    tables: Tables
    config: Config
    idempotency: Idempotency
    admin_key: str


def make(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Give the lifespan for these settings."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            url = settings.database_url.get_secret_value()
            database = await stack.enter_async_context(
                Database.open(url, name=settings.instance, size=POOL)
            )
            cache = await stack.enter_async_context(
                Cache.open(settings.redis_url.get_secret_value(), prefix="pitboss:gateway:")
            )
            await stack.enter_async_context(upkeep.running(database))
            catalog = await stack.enter_async_context(Catalog.open(database))
            replicas = await stack.enter_async_context(
                Replicas.open(url=settings.inner_url, key=settings.inner_key.get_secret_value())
            )
            looks = await stack.enter_async_context(
                Looks.open(url=settings.inner_url, key=settings.inner_key.get_secret_value())
            )
            settlements = await stack.enter_async_context(
                Settlements.listen(url, name=settings.instance)
            )
            dispatch = Dispatch(database=database, replicas=replicas, settlements=settlements)
            stack.push_async_callback(dispatch.finish)
            yield {
                "database": database,
                "cache": cache,
                "histories": Histories(database=database),
                "repairs": Repairs(database=database, dispatch=dispatch),
                "rounds": Rounds(database=database, catalog=catalog, dispatch=dispatch),
                "drift": Drift(database=database, catalog=catalog, looks=looks),
                "table_commands": TableCommands(
                    database=database, catalog=catalog, dispatch=dispatch
                ),
                "tables": Tables(
                    database=database, catalog=catalog, breakers=Breakers(cache, database.now)
                ),
                "config": Config(database=database, catalog=catalog),
                "idempotency": Idempotency(database=database),
                "admin_key": settings.admin_key.get_secret_value(),
            }

    return lifespan
