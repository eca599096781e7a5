"""What the ledger needs done now and then: sealing, room for tomorrow's attempts, old keys gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from fleetkit import background, errors, logs
from fleetkit.database import Connection, Database
from gateway.services.backlog import BACKLOG
from gateway.services.logins import IDLE
from ledger.store import (
    attempts,
    batches,
    breakers,
    deliveries,
    events,
    idempotency,
    logins,
    stream_commands,
)

log = logs.get(__name__)

# An event is left so long before it is sealed, for those written at the same time to be in.
SEALED_AFTER = timedelta(seconds=2)
SEALED_AT_ONCE = 50
AGAIN_AFTER_S = 5.0
BATCHES_KEPT = timedelta(days=7)
# As the replicas have it: an open breaker is renewed by each failed probe, one a minute at least.
BREAKER_FORGOTTEN_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Chore:
    """Work done at the start and then every so often; every gateway may do it at once."""

    name: str
    every: timedelta
    work: Callable[[Connection], Awaitable[object]]


async def _seal(conn: Connection) -> None:
    while await events.seal_due(conn, older_than=SEALED_AFTER, limit=SEALED_AT_ONCE):
        pass


async def _purge_batches(conn: Connection) -> None:
    await batches.purge(conn, older_than=BATCHES_KEPT)


async def _count_backlog(conn: Connection) -> None:
    BACKLOG.counts = await deliveries.count_unsettled(conn)


CHORES = (
    Chore("count_backlog", timedelta(seconds=5), _count_backlog),
    Chore("purge_stream_commands", timedelta(minutes=10), stream_commands.purge),
    Chore("seal_events", timedelta(seconds=3), _seal),
    Chore("ensure_partitions", timedelta(days=1), attempts.ensure_partitions),
    Chore(
        "forget_breakers",
        timedelta(seconds=30),
        partial(breakers.forget, unseen_for=BREAKER_FORGOTTEN_AFTER),
    ),
    Chore("purge_batches", timedelta(hours=1), _purge_batches),
    Chore("purge_idempotency", timedelta(hours=1), idempotency.purge),
    Chore("purge_logins", timedelta(hours=1), partial(logins.purge, idle=IDLE)),
)


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[None]:
    """Keep the chores going beside what is served."""
    async with background.running(*(_repeat(database, chore) for chore in CHORES)):
        yield


async def _repeat(database: Database, chore: Chore) -> None:
    while True:
        pause_s = chore.every.total_seconds()
        try:
            async with database.connection() as conn:
                await chore.work(conn)
        except errors.Unavailable:
            pause_s = min(pause_s, AGAIN_AFTER_S)
        except Exception:
            log.exception("chore_failed", chore=chore.name)
            pause_s = min(pause_s, AGAIN_AFTER_S)
        await asyncio.sleep(pause_s)
