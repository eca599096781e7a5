"""The replica's app."""

from fastapi import FastAPI
from starlette.datastructures import State

from fleetkit import service
from fleetkit.health import Check
from table_service import lifespan
from table_service.api import deliveries, looks
from table_service.settings import Settings


async def _postgres(state: State) -> None:
    await state.database.ping()


async def _redis(state: State) -> bool:
    answered: bool = await state.cache.ping()
    return answered


def create(settings: Settings) -> FastAPI:
    return service.build(
        name="table-service",
        title=f"Pitboss table-service {settings.environment}",
        description="Carries deliveries to the Table API of one environment.",
        lifespan=lifespan.make(settings),
        routers=[deliveries.router, looks.router],
        checks=[Check("postgres", _postgres), Check("redis", _redis, degrading=False)],
        docs=False,
        straight={"/deliveries": deliveries.deliver},
    )
