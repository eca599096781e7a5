"""The wiring of the API and the worker: what is opened, in which order, and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypedDict

from fastapi import FastAPI

from fleetkit import background
from fleetkit.broadcast import Broadcast
from fleetkit.bus import Bus, open_bus
from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.shipping import Shipper
from ledger.access.buckets import Buckets
from ledger.access.identity import Identity
from ledger.access.keyring import Keyring
from ledger.store.attendance import attending
from log_service.adapters.follower import Follower
from log_service.adapters.stream import Stream
from log_service.adapters.wire import Hearer, Teller
from log_service.services.dead import Dead
from log_service.services.intake import Intake
from log_service.services.queries import Queries
from log_service.services.tails import Tails
from log_service.services.writing import Writer
from log_service.settings import Settings, WorkerSettings

POOL = 8
WORKER_POOL = 3


class State(TypedDict):
    """What the API's lifespan yields."""

    database: Database
    bus: Bus
    identity: Identity
    intake: Intake
    queries: Queries
    tails: Tails
    dead: Dead


class WorkerState(TypedDict):
    """What the worker's lifespan yields."""

    database: Database
    bus: Bus
    writer: Writer


async def _open(
    stack: AsyncExitStack, app: FastAPI, settings: WorkerSettings, *, service: str, pool: int
) -> tuple[Database, Bus]:
    """Open what both stand on, and have the replica known."""
    redis = settings.redis_url.get_secret_value()
    url = settings.database_url.get_secret_value()
    database = await stack.enter_async_context(
        Database.open(url, name=settings.instance, size=pool)
    )
    # Always at Redis, whatever the fleet's bus is: here lines wait, in order, under their ids.
    bus = await stack.enter_async_context(open_bus(redis))
    cache = await stack.enter_async_context(Cache.open(redis, prefix="pitboss:log-service:"))
    await stack.enter_async_context(
        attending(
            database,
            cache,
            service=service,
            instance=settings.instance,
            url=f"http://{settings.bind}",
            facts=lambda: {"in_flight": app.state.load.read()},
        )
    )
    return database, bus


def make(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Give the API's lifespan for these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        redis = settings.redis_url.get_secret_value()
        async with AsyncExitStack() as stack:
            database, bus = await _open(stack, app, settings, service="log-service", pool=POOL)
            # The same buckets as the gateway's: a key has one rate, wherever it is shown.
            rates = await stack.enter_async_context(Cache.open(redis, prefix="pitboss:gateway:"))
            answers = await stack.enter_async_context(Cache.open(redis, prefix="pitboss:logs:"))
            keyring = await stack.enter_async_context(
                Keyring.open(
                    database,
                    admin_key=settings.admin_key.get_secret_value(),
                    usual=settings.rate,
                    admin=settings.admin_rate,
                )
            )
            broadcast = await stack.enter_async_context(Broadcast.listen(redis, settings.instance))
            broadcast.on("keys", keyring.told)
            await broadcast.begun()
            yield {
                "database": database,
                "bus": bus,
                "identity": Identity(keyring=keyring, buckets=Buckets(rates)),
                "intake": Intake(
                    Stream(bus, settings.log_stream_length, settings.log_stream_bytes),
                    now=database.now,
                    days=settings.log_retention_days,
                ),
                "queries": Queries(database=database, cache=answers),
                "dead": Dead(bus, name=settings.instance, length=settings.log_stream_length),
                "tails": Tails(Hearer(redis), draining=lambda: app.state.readiness.draining),
            }

    return lifespan


def make_worker(
    settings: WorkerSettings,
) -> Callable[[FastAPI], AbstractAsyncContextManager[WorkerState]]:
    """Give the worker's lifespan for these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[WorkerState]:
        async with AsyncExitStack() as stack:
            database, bus = await _open(
                stack, app, settings, service="log-worker", pool=WORKER_POOL
            )
            teller = await stack.enter_async_context(
                Teller.open(settings.redis_url.get_secret_value())
            )
            writer = Writer(
                bus=bus,
                database=database,
                teller=teller,
                name=settings.instance,
                days=settings.log_retention_days,
            )
            await stack.enter_async_context(
                background.running(writer.run(), writer.keep(), writer.measure())
            )
            if settings.log_follow and settings.log_ship == "on":
                shipper = Shipper(settings.redis_url.get_secret_value())
                await stack.enter_async_context(shipper.running())
                follower = Follower(Path(settings.log_follow), shipper.take)
                await stack.enter_async_context(background.running(follower.run()))
            yield {"database": database, "bus": bus, "writer": writer}

    return lifespan
