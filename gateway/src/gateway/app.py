"""The gateway's app."""

from fastapi import FastAPI
from starlette.datastructures import State

from fleetkit import service
from fleetkit.health import Check
from gateway import lifespan
from gateway.api import (
    access,
    batches,
    config,
    config_files,
    drift,
    events,
    history,
    keys,
    logins,
    repairs,
    rounds,
    services,
    table_commands,
    tables,
)
from gateway.settings import Settings

DESCRIPTION = """
The round control plane of a live-dealer studio: one command from the dealer, every table in every
environment, exactly once.

Press *Authorize* and give your key. A round goes `start`, `bet-stop` (by itself), `result`,
`finish`; `cancel` ends it at any time before.
"""


async def _postgres(state: State) -> None:
    await state.database.ping()


async def _redis(state: State) -> bool:
    answered: bool = await state.cache.ping()
    return answered


async def _bus(state: State) -> bool:
    answered: bool = await state.bus.ping()
    return answered


def create(settings: Settings) -> FastAPI:
    checks = [Check("postgres", _postgres), Check("redis", _redis, degrading=False)]
    if settings.bus != settings.redis_url.get_secret_value():
        checks.append(Check("bus", _bus, degrading=False))
    app = service.build(
        name="gateway",
        title="Pitboss",
        description=DESCRIPTION,
        lifespan=lifespan.make(settings),
        routers=[
            rounds.router,
            history.router,
            repairs.router,
            tables.router,
            table_commands.router,
            drift.router,
            config.router,
            config_files.router,
            services.router,
            batches.router,
            batches.streaming,
            events.router,
            keys.router,
            logins.entrance,
            logins.router,
        ],
        checks=checks,
        docs=True,
        origins=settings.origins,
    )
    access.install(app)
    return app
