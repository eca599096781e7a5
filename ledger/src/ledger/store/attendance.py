"""A replica's coming and going: told in Redis while it lasts, and each once in the ledger's events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fleetkit import errors
from fleetkit.cache import Cache
from fleetkit.database import Database
from fleetkit.registry import Facts, Registry, Replica
from ledger.store import services


@asynccontextmanager
async def attending(
    database: Database,
    cache: Cache,
    *,
    service: str,
    instance: str,
    facts: Facts,
    environment: str | None = None,
    url: str | None = None,
) -> AsyncIterator[Registry]:
    """Be there as long as the block lasts; what can't be told at the end, a gateway finds out."""

    async def enter(me: Replica) -> None:
        async with database.connection() as conn:
            await services.enter(
                conn,
                instance=me.instance,
                service=me.service,
                environment=me.environment,
                version=me.version,
                url=me.url,
                started_at=me.started,
            )

    async with Registry.open(
        cache,
        service=service,
        instance=instance,
        environment=environment,
        url=url,
        facts=facts,
        on_entry=enter,
    ) as registry:
        try:
            yield registry
        finally:
            with suppress(errors.Unavailable):
                async with database.connection() as conn:
                    await services.leave(conn, instance, registry.me.started, "stopped")
