"""Answers to commands by stream: out of the ledger, each published once."""

import asyncio
from contextlib import suppress
from typing import Final

from fleetkit import errors, logs
from fleetkit.bus import Bus, Queue
from fleetkit.database import Database
from ledger.store import stream_commands
from ledger.store.stream_commands import Unreplied

log = logs.get(__name__)

REPLIES: Final = Queue("table_replies", length=100_000, log=True)
AT_ONCE: Final = 100
LOOK_EVERY_S: Final = 0.5
GOODBYE_S: Final = 1.0


class Replies:
    """Publishes what was answered; every gateway does, each answer by one of them."""

    def __init__(self, *, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._look = asyncio.Event()

    def look(self) -> None:
        self._look.set()

    async def run(self) -> None:
        prepared = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look.wait()
            self._look.clear()
            try:
                prepared = prepared or await self._prepare()
                while await self._send():
                    pass
            except errors.Unavailable as error:
                log.warning("stream_replies_wait", reason=str(error.extra or error))
                await asyncio.sleep(LOOK_EVERY_S)
            except Exception:
                log.exception("stream_replies_failed")
                await asyncio.sleep(LOOK_EVERY_S)

    async def _prepare(self) -> bool:
        """Have the replies' place be there before the first: RabbitMQ binds to nothing else."""
        try:
            await self._bus.length(REPLIES)
        except errors.Unavailable:
            return False
        return True

    async def send_rest(self) -> None:
        """Send what there is before we go; what is left another gateway sends."""
        with suppress(errors.Unavailable, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._send()

    async def _send(self) -> bool:
        """Send some; held by their rows, so that no other gateway sends them meanwhile."""
        async with self._database.transaction() as conn:
            answers = await stream_commands.unreplied(conn, most=AT_ONCE)
            if not answers:
                return False
            await self._bus.publish_many(
                REPLIES, [_fields(one) for one in answers], once=[one.entry_id for one in answers]
            )
            await stream_commands.replied(conn, [one.sequence for one in answers])
        return len(answers) == AT_ONCE


def _fields(answer: Unreplied) -> dict[str, str | bytes]:
    return {
        "entry": answer.entry_id,
        "table": answer.table_id,
        "command": answer.command,
        "key": answer.key,
        "status": str(answer.status),
        "body": answer.answer,
    }
