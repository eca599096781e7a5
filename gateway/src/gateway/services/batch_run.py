"""A batch under way on this gateway: tables begun in turn, what became of them kept as it comes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from prometheus_client import Counter

from fleetkit import background, errors, logs
from fleetkit.database import Database
from gateway.services.batch_commands import BatchCommands, Verdict
from gateway.services.turns import Turns
from ledger.domain.batches import Batch, Item
from ledger.store import batches
from ledger.store.batches import LEASE

log = logs.get(__name__)

KEEP_EVERY_S: Final = 0.1
RENEW_EVERY_S: Final = 1.0
# What was waited for until the very end may take a moment to say that it is not there yet.
GRACE_S: Final = 1.0

TABLES: Final = Counter(
    "pitboss_batch_tables", "Tables of batches by what became of them.", ["state"]
)

_LATE = "Not settled when the batch's time was up. Its command goes on: look at its round."
_NOT_BEGUN = "The batch's time was up before it was begun. It will not be begun."
_CANCELLED = "The batch was cancelled before it was begun. It will not be begun."


class Run:
    """One batch, as long as this gateway owns it."""

    def __init__(
        self,
        batch: Batch,
        *,
        database: Database,
        commands: BatchCommands,
        turns: Turns,
        owner: str,
        resumed: bool,
    ) -> None:
        self._batch = batch
        self._database = database
        self._commands = commands
        self._turns = turns
        self._owner = owner
        # What another gateway had begun, or was about to, may be written already.
        self._resumed = resumed
        self._items = {item.position: item for item in batch.items}
        self._unkept: dict[int, Item] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._resuming: set[int] = set()
        self._slots = asyncio.Semaphore(batch.order.max_concurrent)
        self._cancelled = asyncio.Event()
        self._worked = asyncio.Event()
        if batch.cancelled_at is not None:
            self._cancelled.set()

    def cancel(self) -> None:
        """Begin nothing more; what runs goes on."""
        self._cancelled.set()

    @property
    def ending(self) -> bool:
        """Say whether only the end of it is still to be written down."""
        return self._worked.is_set()

    async def run(self) -> None:
        """Bring the batch to its end, or to another owner."""
        keeping = asyncio.create_task(self._keep())
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                await background.end(*self._carrying)
                self._close()
                # Let it end by itself: to cut it off in a statement would cost a connection.
                self._worked.set()
                await keeping
                await self._finish()
        finally:
            await background.end(keeping, working, *self._carrying)

    @property
    def _left_s(self) -> float:
        return (self._batch.deadline_at - self._database.now()).total_seconds()

    async def _work(self) -> None:
        """Begin the tables one after the other, until all are or no more may be; wait for them."""
        if self._resumed:
            await self._resume()
        beginning = asyncio.create_task(self._begin_all())
        cancelled = asyncio.create_task(_wait(self._cancelled))
        try:
            await asyncio.wait(
                {beginning, cancelled},
                timeout=max(0.0, self._left_s),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await background.end(beginning, cancelled)
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=max(0.0, self._left_s) + GRACE_S)

    async def _resume(self) -> None:
        """Go on with what another gateway had begun, whether or not it came to say so."""
        left = {item.command_id: item for item in self._items.values() if not item.finished}
        while True:
            try:
                async with self._database.connection() as conn:
                    written = await batches.written(conn, list(left))
                break
            except errors.Unavailable:
                await asyncio.sleep(RENEW_EVERY_S)
        for command_id, round_id in written.items():
            item = left[command_id]
            begun_at = item.begun_at or self._database.now()
            item = replace(item, state="running", begun_at=begun_at, round_id=round_id)
            self._resuming.add(item.position)
            self._set(item)
            self._begin(item, [])

    async def _begin_all(self) -> None:
        for item in list(self._items.values()):
            # What was said to be begun and is not written comes in its turn, as if it were not.
            if item.finished or item.position in self._resuming:
                continue
            if self._cancelled.is_set():
                return
            await self._slots.acquire()
            turn = await self._turns.take()
            self._set(
                replace(item, state="running", begun_at=item.begun_at or self._database.now())
            )
            self._begin(self._items[item.position], [turn.give_back, self._slots.release])

    def _begin(self, item: Item, held: list[Callable[[], None]]) -> None:

        def let_go() -> None:
            while held:
                held.pop()()

        # Whoever has not answered by then is waited for, but keeps nobody else waiting.
        hold = asyncio.get_running_loop().call_later(self._batch.order.wait_ms / 1000, let_go)

        def end(task: asyncio.Task[None]) -> None:
            hold.cancel()
            let_go()
            self._carrying.discard(task)

        task = asyncio.create_task(self._carry(item))
        self._carrying.add(task)
        task.add_done_callback(end)

    async def _carry(self, item: Item) -> None:
        try:
            verdict = await self._commands.carry(
                self._batch.order, item, self._batch.deadline_at, known=self._resumed
            )
        except Exception:
            log.exception("batch_table_failed", batch=self._batch.order.id, table=item.table)
            verdict = Verdict("refused", code="internal", detail="Something failed on our side.")
        detail = verdict.detail
        if verdict.state == "pending" and detail is None:
            detail = _LATE
        self._set(
            replace(
                item,
                state=verdict.state,
                status=verdict.status,
                code=verdict.code,
                detail=detail,
                round_id=verdict.round_id or item.round_id,
            )
        )

    def _set(self, item: Item) -> None:
        self._items[item.position] = self._unkept[item.position] = item
        if item.finished:
            TABLES.labels(item.state).inc()

    def _close(self) -> None:
        """Say of each table that is left why nothing more comes of it here."""
        cancelled = self._cancelled.is_set()
        for item in list(self._items.values()):
            if item.finished:
                continue
            if item.begun_at is not None:
                self._set(replace(item, state="pending", detail=_LATE))
            elif cancelled:
                self._set(replace(item, state="not_begun", detail=_CANCELLED))
            else:
                self._set(replace(item, state="pending", detail=_NOT_BEGUN))

    async def _keep(self) -> None:
        """Write down what came, and that we are still there; ends when the batch is another's."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while not self._worked.is_set():
            if self._unkept or loop.time() - renewed > RENEW_EVERY_S:
                try:
                    if not await self._write_down():
                        log.warning("batch_lost", batch=self._batch.order.id)
                        return
                    renewed = loop.time()
                except errors.Unavailable:
                    await asyncio.sleep(RENEW_EVERY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_EVERY_S):
                    await self._worked.wait()

    async def _write_down(self) -> bool:
        news = dict(self._unkept)
        async with self._database.connection() as conn:
            held = await batches.record(
                conn, self._batch.order.id, list(news.values()), owner=self._owner, lease=LEASE
            )
        if held is None:
            return False
        if held.cancelled:
            self._cancelled.set()
        for position, item in news.items():
            if self._unkept.get(position) is item:
                del self._unkept[position]
        return True

    async def _finish(self) -> None:
        while True:
            try:
                if await self._write_down():
                    async with self._database.connection() as conn:
                        await batches.finish(conn, self._batch.order.id, owner=self._owner)
            except errors.Unavailable:
                await asyncio.sleep(RENEW_EVERY_S)
            else:
                log.info("batch_finished", batch=self._batch.order.id)
                return


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
