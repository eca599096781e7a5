"""The wiring of batches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetkit.broadcast import Body, Broadcast
from fleetkit.database import Database
from gateway.adapters.catalog import Catalog
from gateway.domain.pace import Pace
from gateway.services.batch_commands import BatchCommands
from gateway.services.batches import Batches
from gateway.services.dispatch import Dispatch
from gateway.services.rounds import Rounds
from gateway.services.table_commands import TableCommands
from gateway.services.turns import Turns
from gateway.settings import Settings


@asynccontextmanager
async def batching(
    settings: Settings,
    *,
    database: Database,
    catalog: Catalog,
    dispatch: Dispatch,
    broadcast: Broadcast,
) -> AsyncIterator[Batches]:
    """Open batches; a cancel is told to all gateways, for one of them may own the batch."""
    lowest, highest = settings.batch_min_concurrent, settings.batch_max_concurrent
    batches = Batches(
        database=database,
        catalog=catalog,
        commands=BatchCommands(
            database=database,
            rounds=Rounds(database=database, catalog=catalog, dispatch=dispatch),
            table_commands=TableCommands(database=database, catalog=catalog, dispatch=dispatch),
        ),
        turns=Turns(Pace.between(min(lowest, highest), highest)),
        tell=lambda batch: broadcast.send("batch", {"id": batch}),
    )

    async def hear(body: Body | None) -> None:
        if body is not None:
            batches.hear_of_cancel(str(body.get("id")))

    broadcast.on("batch", hear)
    async with batches.running():
        yield batches
