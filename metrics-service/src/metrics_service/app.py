"""The metrics-service's app."""

from fastapi import FastAPI, Request, Response
from starlette.datastructures import State

from fleetkit import service
from fleetkit.health import Check
from metrics_service import lifespan
from metrics_service.api import alerts, letters, metrics
from metrics_service.settings import Settings, Tuning

DESCRIPTION = """
Rates, percentiles and error rates of everything that publishes what it does: now, before, and the
alerts made of them.
"""


async def _postgres(state: State) -> None:
    await state.database.ping()


async def _redis(state: State) -> bool:
    answered: bool = await state.realtime.ping()
    return answered


async def _bus(state: State) -> bool:
    answered: bool = await state.bus.ping()
    return answered


def create(settings: Settings, tuning: Tuning) -> FastAPI:
    app = service.build(
        name="metrics-service",
        title="Pitboss metrics-service",
        description=DESCRIPTION,
        lifespan=lifespan.make(settings, tuning),
        routers=[letters.router, metrics.router, alerts.router],
        checks=[
            Check("postgres", _postgres),
            Check("redis", _redis, degrading=False),
            Check("bus", _bus, degrading=False),
        ],
        docs=True,
    )
    # Where the document was read: under the edge's prefix, or at the process's own root.
    app.servers = [{"url": "."}]

    @app.get("/health", tags=["health"], summary="Each dependency by name")
    async def health(request: Request) -> Response:
        """Answer as /readyz does, under the documented name."""
        ready, body = await app.state.readiness.examine(request.state)
        return service.JsonAnswer(body, status_code=200 if ready else 503)

    return app
