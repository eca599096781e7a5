"""The wiring of the metrics-service: what is opened, in which order, and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypedDict

import httpx
from fastapi import FastAPI

from fleetkit import background
from fleetkit.broadcast import Broadcast
from fleetkit.bus import Bus, open_bus
from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.telemetry import METRICS, SHARDS
from ledger.access.buckets import Buckets
from ledger.access.identity import Identity
from ledger.access.keyring import Keyring
from ledger.store.attendance import attending
from metrics_service.adapters.alerts import QUEUE, WEBHOOK, Alerts
from metrics_service.adapters.history import History
from metrics_service.adapters.realtime import Realtime
from metrics_service.adapters.roster import Roster
from metrics_service.adapters.spool import Spool
from metrics_service.adapters.store import Store
from metrics_service.domain.alerts import AlertThresholds
from metrics_service.services import upkeep
from metrics_service.services.alerting import Alerting, Notifier
from metrics_service.services.intake import Intake
from metrics_service.services.letters import Letters
from metrics_service.services.processor import MetricsProcessor
from metrics_service.services.reading import Reading
from metrics_service.services.sharing import Sharing
from metrics_service.services.showing import Display
from metrics_service.settings import Settings, Tuning

POOL = 8


class State(TypedDict):
    """What the lifespan yields."""

    alerts: Alerts
    bus: Bus
    database: Database
    identity: Identity
    intake: Intake
    letters: Letters
    reading: Reading
    realtime: Realtime


def _thresholds(tuning: Tuning) -> AlertThresholds:
    return AlertThresholds(
        p95_ms=tuning.p95_threshold,
        error_rate=tuning.error_threshold,
        least_sample=tuning.min_sample,
        for_s=tuning.alert_for,
        clear_s=tuning.alert_clear,
        anomaly=tuning.anomaly or None,
    )


def make(
    settings: Settings, tuning: Tuning
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Give the lifespan for these settings."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            redis_url = settings.redis_url.get_secret_value()
            database = await stack.enter_async_context(
                Database.open(
                    settings.database_url.get_secret_value(), name=settings.instance, size=POOL
                )
            )
            cache = await stack.enter_async_context(
                Cache.open(redis_url, prefix="pitboss:gateway:")
            )
            keyring = await stack.enter_async_context(
                Keyring.open(
                    database,
                    admin_key=settings.admin_key.get_secret_value(),
                    usual=settings.rate,
                    admin=settings.admin_rate,
                )
            )
            broadcast = await stack.enter_async_context(
                Broadcast.listen(redis_url, settings.instance)
            )
            broadcast.on("keys", keyring.told)
            bus = await stack.enter_async_context(open_bus(settings.bus))
            realtime = Realtime(redis_url)
            stack.push_async_callback(realtime.close)
            history = History(database)

            def now() -> float:
                return database.now().timestamp()

            webhook = tuning.webhook_url.get_secret_value()
            alerts = Alerts(database, channels=(QUEUE, WEBHOOK) if webhook else (QUEUE,))
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))

            def process(shard: int) -> MetricsProcessor:
                spool = Spool(Path(tuning.spool_dir, str(shard))) if tuning.spool_dir else None
                if spool is not None:
                    stack.callback(spool.close)
                return MetricsProcessor(
                    bus=bus,
                    queue=SHARDS[shard],
                    shard=shard,
                    store=Store(
                        database, shard=shard, owner=settings.instance, bucket_s=tuning.agg_interval
                    ),
                    display=Display(
                        realtime,
                        Alerting(alerts, _thresholds(tuning), shard),
                        shard=shard,
                        now=now,
                        window_s=tuning.window_size,
                    ),
                    spool=spool,
                    name=settings.instance,
                    now=now,
                    window_s=tuning.window_size,
                    interval_s=tuning.agg_interval,
                )

            sharing = Sharing(
                Roster(database, settings.instance), [process(n) for n in range(len(SHARDS))]
            )
            stack.push_async_callback(sharing.leave)
            await stack.enter_async_context(
                background.running(
                    sharing.run(),
                    Notifier(alerts, bus, webhook=webhook, client=client).run(),
                    upkeep.run(history),
                )
            )
            await stack.enter_async_context(
                attending(
                    database,
                    cache,
                    service="metrics-service",
                    instance=settings.instance,
                    url=f"http://{settings.bind}",
                    facts=lambda: {"in_flight": app.state.load.read()},
                )
            )
            await broadcast.begun()
            yield {
                "alerts": alerts,
                "bus": bus,
                "database": database,
                "identity": Identity(keyring=keyring, buckets=Buckets(cache)),
                "intake": Intake(bus, METRICS),
                "letters": Letters(bus, METRICS, name=settings.instance, now=now),
                "reading": Reading(
                    realtime,
                    history,
                    now=database.now,
                    window_s=tuning.window_size,
                    interval_s=tuning.agg_interval,
                ),
                "realtime": realtime,
            }

    return lifespan
