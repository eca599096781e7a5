"""The API's app and the worker's."""

from typing import Final

from fastapi import FastAPI
from starlette.datastructures import State

from fleetkit import service
from fleetkit.health import Check
from log_service import lifespan
from log_service.api import dead, devices, logs
from log_service.settings import Settings, WorkerSettings

DESCRIPTION: Final = """
Takes the logs of consoles, devices and the fleet's own services, and finds them again.
"""


async def _postgres(state: State) -> None:
    await state.database.ping()


async def _redis(state: State) -> bool:
    answered: bool = await state.bus.ping()
    return answered


def create(settings: Settings) -> FastAPI:
    return service.build(
        name="log-service",
        title="Pitboss logs",
        description=DESCRIPTION,
        lifespan=lifespan.make(settings),
        routers=[logs.router, dead.router, devices.router],
        # Lines are taken without Postgres: they wait in Redis.
        checks=[Check("redis", _redis), Check("postgres", _postgres, degrading=False)],
        docs=True,
        straight={"/logs": logs.send},
    )


def create_worker(settings: WorkerSettings) -> FastAPI:
    return service.build(
        name="log-worker",
        title="Pitboss log worker",
        description="Writes what lies in the stream.",
        lifespan=lifespan.make_worker(settings),
        routers=[],
        checks=[Check("redis", _redis), Check("postgres", _postgres)],
        docs=False,
    )
