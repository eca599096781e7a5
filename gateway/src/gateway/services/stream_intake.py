"""Commands by stream, first half: read by one gateway at a time, written down, acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from fleetkit import errors, logs
from fleetkit.bus import Batch, Bus, Entry, Queue
from fleetkit.database import Database
from gateway.domain.stream_entries import UnreadableError, buried, identify, read
from ledger.access.keyring import digest
from ledger.store import stream_commands
from ledger.store.stream_commands import Accepted

log = logs.get(__name__)

COMMANDS: Final = Queue("table_commands", exclusive=True)
GROUP: Final = "gateway"
BATCH: Final = 200
AGAIN_AFTER_S: Final = 0.5

ACCEPTED: Final = Counter("pitboss_stream_commands_accepted", "Commands taken from the stream.")
UNREADABLE: Final = Counter(
    "pitboss_stream_commands_unreadable", "Entries of the stream that were laid aside."
)


class Intake:
    """Takes what controllers wrote; what is in the ledger is acknowledged, nothing before."""

    def __init__(
        self, *, database: Database, bus: Bus, name: str, accepted: Callable[[], None]
    ) -> None:
        self._database = database
        self._bus = bus
        self._name = name
        self._accepted = accepted

    async def run(self) -> None:
        while True:
            try:
                async with self._bus.consume(
                    COMMANDS, group=GROUP, consumer=self._name, batch=BATCH
                ) as batches:
                    await self._take(batches)
            except Exception:
                log.exception("stream_intake_failed")
            await asyncio.sleep(AGAIN_AFTER_S)

    async def _take(self, batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            commands = []
            for entry in batch.entries:
                try:
                    commands.append(self._read(entry))
                except UnreadableError as error:
                    UNREADABLE.inc()
                    log.warning("stream_entry_buried", entry=entry.id, reason=str(error))
                    await batch.dead(entry, str(error), buried(entry.fields))
            while commands:
                with suppress(errors.Unavailable):
                    async with self._database.transaction() as conn:
                        await stream_commands.accept(conn, commands)
                    break
                await asyncio.sleep(AGAIN_AFTER_S)
            await batch.ack()
            ACCEPTED.inc(len(commands))
            self._accepted()

    def _read(self, entry: Entry) -> Accepted:
        command = read(entry.fields)
        lay = timedelta() if entry.at is None else self._database.now() - entry.at
        return Accepted(
            entry_id=identify(entry.id, entry.fields),
            table_id=command.table,
            command=command.kind,
            round_id=command.round,
            body=command.body,
            wait_ms=command.wait_ms,
            key=command.key,
            key_hash=digest(command.actor_key),
            lay_ms=round(lay.total_seconds() * 1000),
        )
