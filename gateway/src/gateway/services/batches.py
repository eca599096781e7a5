"""Batches: one command on many tables, checked whole before anything of it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from fleetkit import background, errors, ids, logs
from fleetkit.database import Database
from gateway.adapters.catalog import Catalog
from gateway.services.batch_commands import BatchCommands
from gateway.services.batch_run import Run
from gateway.services.turns import Turns
from ledger.domain import results
from ledger.domain.actors import Actor, Role
from ledger.domain.batches import Batch, Item, Order, repeated
from ledger.domain.commands import Kind
from ledger.store import batches
from ledger.store.batches import LEASE, OpenRound

log = logs.get(__name__)

TAKE_OVER_EVERY_S: Final = 2.0
WATCH_EVERY_S: Final = 0.2
END_S: Final = 2.0
NAMED: Final = 20
"""So many tables are named in a sentence."""

Tell = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Wish:
    """A batch as it is asked for."""

    id: str
    command: Kind
    tables: Sequence[str]
    body: Mapping[str, Any]
    max_concurrent: int
    wait: timedelta
    time: timedelta


class Batches:
    """The batches of all gateways: asked for here, carried out by whichever owns them."""

    def __init__(
        self,
        *,
        database: Database,
        catalog: Catalog,
        commands: BatchCommands,
        turns: Turns,
        tell: Tell,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._commands = commands
        self._turns = turns
        self._tell = tell
        # One of this process, for another of the same name may take over from it.
        self._owner = ids.new()
        self._runs: dict[str, Run] = {}
        self._tasks: dict[asyncio.Task[None], Run] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Take over what others leave; at the end, leave to them what is not done."""
        try:
            async with background.running(self._take_over()):
                yield self
        finally:
            ending = [task for task, run in self._tasks.items() if run.ending]
            if ending:
                await asyncio.wait(ending, timeout=END_S)
            await background.end(*self._tasks)
            with suppress(errors.Unavailable):
                async with self._database.connection() as conn:
                    await batches.release(conn, self._owner)

    async def create(self, wish: Wish, actor: Actor) -> Batch:
        """Check all of it, write it, and begin; the same one again is answered as it stands."""
        if wish.command.of_table:
            actor.check_role(Role.OPERATOR)
        for table in wish.tables:
            actor.check_table(table)
        items = await self._items(wish, actor)
        order = Order(
            id=wish.id,
            command=wish.command,
            body=wish.body,
            actor=actor.name,
            environments=None if actor.environments is None else tuple(sorted(actor.environments)),
            max_concurrent=wish.max_concurrent,
            wait_ms=round(wish.wait.total_seconds() * 1000),
        )
        async with self._database.connection() as conn:
            ours = await batches.write(
                conn, order, items, time=wish.time, owner=self._owner, lease=LEASE
            )
        batch = await self.get(wish.id)
        if ours:
            self._spawn(batch, resumed=False)
        return batch

    async def get(self, batch_id: str) -> Batch:
        async with self._database.connection() as conn:
            found = await batches.get(conn, batch_id)
        if found is None:
            raise errors.NotFound(f"There is no batch {batch_id}.", code="unknown_batch")
        return found

    async def cancel(self, batch_id: str, actor: Actor) -> Batch:
        """Let nothing more be begun; what runs goes on. One that is over stays as it is."""
        batch = await self.get(batch_id)
        if batch.order.command.of_table:
            actor.check_role(Role.OPERATOR)
        for item in batch.items:
            actor.check_table(item.table)
        async with self._database.connection() as conn:
            await batches.cancel(conn, batch_id)
        self.hear_of_cancel(batch_id)
        await self._tell(batch_id)
        return await self.get(batch_id)

    def hear_of_cancel(self, batch_id: str) -> None:
        run = self._runs.get(batch_id)
        if run is not None:
            run.cancel()

    async def watch(
        self, batch_id: str, *, every_s: float, ended: Callable[[], bool]
    ) -> AsyncIterator[Batch]:
        """Give the batch whenever a table is done with, and so often; until it or we end."""
        loop = asyncio.get_running_loop()
        done, given = -1, loop.time()
        while not ended():
            try:
                batch = await self.get(batch_id)
            except errors.Unavailable:
                await asyncio.sleep(TAKE_OVER_EVERY_S)
                continue
            finished = sum(item.finished for item in batch.items)
            quiet = loop.time() - given > every_s
            if finished > done or quiet or batch.finished_at is not None:
                done, given = finished, loop.time()
                yield batch
            if batch.finished_at is not None:
                return
            await asyncio.sleep(WATCH_EVERY_S)

    def _spawn(self, batch: Batch, *, resumed: bool) -> None:
        name = batch.order.id
        run = self._runs[name] = Run(
            batch,
            database=self._database,
            commands=self._commands,
            turns=self._turns,
            owner=self._owner,
            resumed=resumed,
        )

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.pop(task, None)
            if self._runs.get(name) is run:
                del self._runs[name]
            if not task.cancelled() and task.exception() is not None:
                log.error("batch_failed", batch=name, exc_info=task.exception())

        task = asyncio.create_task(run.run())
        self._tasks[task] = run
        task.add_done_callback(end)

    async def _take_over(self) -> None:
        while True:
            try:
                async with self._database.connection() as conn:
                    taken = await batches.take_over(conn, owner=self._owner, lease=LEASE)
                for batch_id in taken:
                    if batch_id not in self._runs:
                        log.info("batch_taken_over", batch=batch_id)
                        self._spawn(await self.get(batch_id), resumed=True)
            except errors.Unavailable:
                pass
            except Exception:
                log.exception("batches_not_taken_over")
            await asyncio.sleep(TAKE_OVER_EVERY_S)

    async def _items(self, wish: Wish, actor: Actor) -> list[Item]:
        twice = repeated(wish.tables)
        if twice:
            raise errors.Invalid(
                f"A batch asks each table once; named more than once: {_names(twice)}.",
                code="table_repeated",
                field="body.tables",
                extra={"tables": twice},
            )
        known = await self._catalog.reach(wish.tables)
        unknown = [table for table in wish.tables if not known[table]]
        if unknown:
            raise errors.Invalid(
                f"There is no table {_names(unknown)}.",
                code="unknown_tables",
                field="body.tables",
                extra={"tables": unknown},
            )
        if wish.command is Kind.START or wish.command.of_table:
            self._check_environments(wish, known, actor)
            return [_item(number, table) for number, table in enumerate(wish.tables)]
        return await self._later_items(wish, actor)

    def _check_environments(
        self, wish: Wish, known: Mapping[str, frozenset[str]], actor: Actor
    ) -> None:
        wanted = wish.body.get("environments")
        for table in wish.tables:
            reached = known[table] if wanted is None else frozenset(wanted)
            missing = sorted(reached - known[table])
            if missing:
                raise errors.Invalid(
                    f"{table} has no enabled target in {', '.join(missing)}.",
                    code="unknown_environment",
                    field="body.environments",
                )
            actor.check_environments(reached)

    async def _later_items(self, wish: Wish, actor: Actor) -> list[Item]:
        """Bind each table to the round that is open now: a later one is never meant."""
        async with self._database.connection() as conn:
            rounds = await batches.open_rounds(conn, wish.tables)
        for round_ in rounds.values():
            actor.check_environments(round_.environments)
            if wish.command is Kind.RESULT:
                _check_result(round_, wish.body["result"])
        return [
            _item(number, table, rounds.get(table), later=True)
            for number, table in enumerate(wish.tables)
        ]


def _item(number: int, table: str, round_: OpenRound | None = None, *, later: bool = False) -> Item:
    if later and round_ is None:
        return Item(
            number,
            table,
            ids.new(),
            state="refused",
            code="no_open_round",
            detail=f"{table} has no open round.",
        )
    return Item(number, table, ids.new(), round_id=round_.id if round_ else None)


def _check_result(round_: OpenRound, result: Mapping[str, object]) -> None:
    try:
        results.parse(round_.type, result)
    except errors.Invalid as error:
        raise errors.Invalid(error.detail, code=error.code, field="body.result") from error


def _names(tables: Sequence[str]) -> str:
    more = len(tables) - NAMED
    return ", ".join(tables[:NAMED]) + (f" and {more} more" if more > 0 else "")
