"""The wiring of a gateway: what is opened, in which order, and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from typing import TypedDict

from fastapi import FastAPI

from fleetkit import background, errors
from fleetkit.broadcast import Body, Broadcast
from fleetkit.bus import Bus, open_bus
from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.registry import Registry
from fleetkit.telemetry import Reporter
from gateway.adapters.breakers import Breakers
from gateway.adapters.catalog import Catalog
from gateway.adapters.inner import Inner
from gateway.adapters.looks import Looks
from gateway.adapters.own_door import OwnDoor
from gateway.adapters.places import Places
from gateway.adapters.replicas import Replicas
from gateway.adapters.settlements import Settlements
from gateway.adapters.table_events import KEPT, TableEvents
from gateway.services import upkeep
from gateway.services.admission import admitting
from gateway.services.batches import Batches
from gateway.services.batching import batching
from gateway.services.changes import Changes
from gateway.services.config import Config
from gateway.services.dispatch import Dispatch
from gateway.services.drift import Drift
from gateway.services.history import Histories
from gateway.services.idempotency import Idempotency
from gateway.services.identity import Identity
from gateway.services.imports import Imports
from gateway.services.keys import Keys
from gateway.services.logins import Logins
from gateway.services.readers import Readers
from gateway.services.relay import Relay
from gateway.services.repairs import Repairs
from gateway.services.roll import Roll
from gateway.services.rounds import Rounds
from gateway.services.standings import Standings
from gateway.services.stream_commands import taking
from gateway.services.table_commands import TableCommands
from gateway.services.tables import Tables
from gateway.settings import Settings
from ledger.store.attendance import attending
from ledger.store.documents import PREFIX, Documents

POOL = 16


class State(TypedDict):
    """What the lifespan yields."""

    bus: Bus
    database: Database
    cache: Cache
    histories: Histories
    readers: Readers
    repairs: Repairs
    broadcast: Broadcast
    registry: Registry
    batches: Batches
    roll: Roll
    rounds: Rounds
    table_commands: TableCommands
    drift: Drift
    tables: Tables
    config: Config
    imports: Imports
    standings: Standings
    idempotency: Idempotency
    identity: Identity
    keys: Keys
    logins: Logins
    places: Places


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
                Cache.open(settings.redis_url.get_secret_value(), prefix="pitboss:gateway:")
            )
            await stack.enter_async_context(upkeep.running(database))
            documents = Documents(
                database,
                await stack.enter_async_context(
                    Cache.open(settings.redis_url.get_secret_value(), prefix=PREFIX)
                ),
            )
            catalog = await stack.enter_async_context(Catalog.open(documents))
            inner = Inner(settings.inner_url, key=settings.inner_key.get_secret_value())
            replicas, looks = Replicas(inner), Looks(inner)
            settlements = await stack.enter_async_context(
                Settlements.listen(url, name=settings.instance)
            )
            table_events = await stack.enter_async_context(
                TableEvents.open(settings.redis_url.get_secret_value())
            )
            relay = Relay(
                database=database, stream=table_events, holder=settings.instance, kept=KEPT
            )
            await stack.enter_async_context(relay.running())
            readers = await stack.enter_async_context(
                Readers.open(
                    url,
                    name=settings.instance,
                    database=database,
                    draining=lambda: app.state.readiness.draining,
                )
            )
            dispatch = Dispatch(database=database, replicas=replicas, settlements=settlements)
            stack.push_async_callback(dispatch.finish)
            broadcast = await stack.enter_async_context(
                Broadcast.listen(settings.redis_url.get_secret_value(), settings.instance)
            )
            admission = await stack.enter_async_context(
                admitting(settings, database=database, cache=cache, broadcast=broadcast)
            )
            batches = await stack.enter_async_context(
                batching(
                    settings,
                    database=database,
                    catalog=catalog,
                    dispatch=dispatch,
                    broadcast=broadcast,
                )
            )
            registry = await stack.enter_async_context(
                attending(
                    database,
                    cache,
                    service="gateway",
                    instance=settings.instance,
                    url=f"http://{settings.bind}",
                    facts=lambda: {
                        "config": catalog.facts(),
                        "in_flight": app.state.load.read(),
                    },
                )
            )

            async def follow_config(_: Body | None) -> None:
                with suppress(errors.Unavailable):  # asked for again soon, as always
                    await catalog.refresh()
                await registry.renew()

            async def tell_config(environment: str, version: int) -> None:
                await broadcast.send("config", {"environment": environment, "version": version})

            broadcast.on("config", follow_config)
            changes = Changes(database=database, catalog=catalog, tell=tell_config)
            config = Config(
                database=database, catalog=catalog, documents=documents, changes=changes
            )
            roll = Roll(database=database, registry=registry)
            await stack.enter_async_context(background.running(roll.watch()))
            bus = await stack.enter_async_context(open_bus(settings.bus))
            app.state.reporter = await stack.enter_async_context(
                Reporter.open(settings.bus, "gateway")
            )
            state: State = {
                "bus": bus,
                "broadcast": broadcast,
                "registry": registry,
                "batches": batches,
                "roll": roll,
                "database": database,
                "cache": cache,
                "histories": Histories(database=database),
                "readers": readers,
                "repairs": Repairs(database=database, dispatch=dispatch),
                "rounds": Rounds(database=database, catalog=catalog, dispatch=dispatch),
                "drift": Drift(database=database, catalog=catalog, looks=looks),
                "table_commands": TableCommands(
                    database=database, catalog=catalog, dispatch=dispatch
                ),
                "tables": Tables(
                    database=database, catalog=catalog, breakers=Breakers(cache, database.now)
                ),
                "config": config,
                "imports": Imports(config, changes),
                "standings": Standings(documents=documents, registry=registry),
                "idempotency": Idempotency(database=database),
                "identity": admission.identity,
                "keys": admission.keys,
                "logins": admission.logins,
                "places": admission.places,
            }
            await stack.enter_async_context(
                taking(
                    database=database,
                    bus=bus,
                    door=OwnDoor(app, state),
                    name=settings.instance,
                    draining=lambda: app.state.readiness.draining,
                )
            )
            await broadcast.begun()
            yield state

    return lifespan
