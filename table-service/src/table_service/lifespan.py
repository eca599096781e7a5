"""The wiring of a replica: what is opened, in which order, and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import TypedDict

from fastapi import FastAPI

from fleetkit import background, errors
from fleetkit.broadcast import Body, Broadcast
from fleetkit.cache import Cache
from fleetkit.database import Database, Listener
from fleetkit.telemetry import Reporter
from ledger.domain.breaker import Breaker
from ledger.domain.deliveries import Lease
from ledger.store.attendance import attending
from ledger.store.deliveries import DUE_CHANNEL
from ledger.store.documents import PREFIX, Documents
from table_service.adapters.board import CHANGED, Board
from table_service.adapters.breakerlog import BreakerLog
from table_service.adapters.catalog import Catalog
from table_service.adapters.exchange import Exchange
from table_service.adapters.seals import Seal
from table_service.adapters.secrets import Secrets
from table_service.adapters.sessions import Sessions
from table_service.adapters.store import Store
from table_service.adapters.tables import Tables
from table_service.services.courier import Courier
from table_service.services.delivering import Deliverer
from table_service.services.guards import Guards
from table_service.services.looking import Looker
from table_service.services.prober import Prober
from table_service.settings import Settings

POOL = 10


class State(TypedDict):
    """What the lifespan yields."""

    database: Database
    cache: Cache
    courier: Courier
    broadcast: Broadcast
    deliverer: Deliverer
    looker: Looker
    inner_key: str
    environment: str


async def _warm(catalog: Catalog, exchange: Exchange, store: Store) -> None:
    """Spare the first round what every first time costs."""
    with suppress(errors.Unavailable):
        await store.warm()
        environment = await catalog.latest()
        if environment is not None:
            exchange.warm(environment)


def make(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Give the lifespan for these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            url = settings.database_url.get_secret_value()
            database = await stack.enter_async_context(
                Database.open(url, name=settings.instance, size=POOL, plans="force_generic_plan")
            )
            cache = await stack.enter_async_context(
                Cache.open(settings.redis_url.get_secret_value(), prefix="pitboss:session:")
            )
            documents = Documents(
                database,
                await stack.enter_async_context(
                    Cache.open(settings.redis_url.get_secret_value(), prefix=PREFIX)
                ),
            )
            catalog = Catalog(documents, settings.environment)
            exchange = Exchange(ca_file=settings.ca_file)
            stack.push_async_callback(exchange.close)
            reporter = await stack.enter_async_context(Reporter.open(settings.bus, "table-service"))
            tables = Tables(
                reporter=reporter,
                exchange=exchange,
                catalog=catalog,
                sessions=Sessions(
                    cache, settings.environment, Seal(settings.inner_key.get_secret_value())
                ),
                secrets=Secrets(),
                database=database,
            )
            store = Store(database, environment=settings.environment, instance=settings.instance)
            broadcast = await stack.enter_async_context(
                Broadcast.listen(settings.redis_url.get_secret_value(), settings.instance)
            )
            board = Board(cache, broadcast, settings.environment, database.now)
            breaker_log = BreakerLog(database, instance=settings.instance)

            def tell_breaker(lease: Lease, state: Breaker) -> None:
                board.tell(lease, state)
                breaker_log.tell(lease, state)
                if state.failed_probes == 0:  # that it stays open is no news
                    prober.wake()

            guards = Guards(on_change=tell_breaker)
            deliverer = Deliverer(
                store=store, tables=tables, guards=guards, now=database.now, random=Random()
            )
            prober = Prober(
                guards=guards, board=board, waiting=store, tables=tables, now=database.now
            )
            courier = Courier(work=store, deliverer=deliverer, now=database.now)
            store.on_follower = courier.wake
            stack.push_async_callback(courier.finish)

            def woken(_channel: str, environment: str) -> None:
                if environment == settings.environment:
                    courier.wake()

            await stack.enter_async_context(
                Listener(
                    url,
                    name=f"{settings.instance}-due",
                    channels=[DUE_CHANNEL],
                    on_notify=woken,
                    on_reconnect=courier.wake,
                )
            )
            await stack.enter_async_context(
                background.running(
                    courier.run(),
                    prober.run(),
                    breaker_log.run(),
                    catalog.follow(),
                    _warm(catalog, exchange, store),
                )
            )
            app.state.load.measure = lambda: tables.under_way
            registry = await stack.enter_async_context(
                attending(
                    database,
                    cache,
                    service=f"table-service-{settings.environment.lower()}",
                    instance=settings.instance,
                    environment=settings.environment,
                    url=f"http://{settings.bind}",
                    facts=lambda: {"config": catalog.facts(), "in_flight": tables.under_way},
                )
            )

            async def follow_config(told: Body | None) -> None:
                if told is None or told.get("environment") == settings.environment:
                    with suppress(errors.Unavailable):  # asked for again soon, as always
                        await catalog.refresh()
                    await registry.renew()

            async def follow_breakers(told: Body | None) -> None:
                if told is None or told.get("environment") == settings.environment:
                    prober.wake()

            broadcast.on("config", follow_config)
            broadcast.on(CHANGED, follow_breakers)
            await broadcast.begun()
            yield {
                "broadcast": broadcast,
                "database": database,
                "cache": cache,
                "courier": courier,
                "deliverer": deliverer,
                "looker": Looker(tables=tables, environment=settings.environment, now=database.now),
                "inner_key": settings.inner_key.get_secret_value(),
                "environment": settings.environment,
            }

    return lifespan
