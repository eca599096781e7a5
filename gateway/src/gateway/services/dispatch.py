"""A command's way: written whole, handed to every environment at once, answered within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from asyncpg import UniqueViolationError

from fleetkit import errors, logs
from fleetkit.database import Connection, Database
from gateway.adapters.replicas import Handover, Replicas
from gateway.adapters.settlements import Settlements
from ledger.domain.rounds import Round
from ledger.store import deliveries, rounds
from ledger.store.rounds import Command, Written

log = logs.get(__name__)

COLLISIONS = 5
# No call outlasts its lease, so nothing handed over outlasts this.
LONGEST_HANDOVER_S = 10.0

Write = Callable[[Connection], Awaitable[Written]]


class Awaited(Protocol):
    """What is answered for a command: known to be whole, or still to come."""

    @property
    def settled(self) -> bool: ...

    def may_settle_by(self, horizon: datetime) -> bool: ...


Answer = TypeVar("Answer", bound=Awaited)


class Dispatch:
    """Carries commands from the ledger to the replicas, and their outcomes back to the caller."""

    def __init__(self, *, database: Database, replicas: Replicas, settlements: Settlements) -> None:
        self._database = database
        self._replicas = replicas
        self._settlements = settlements
        self._handing_over: set[asyncio.Task[None]] = set()

    async def run(self, command: Command, write: Write, *, wait: timedelta) -> Round:
        """Write the intent, send it, and answer the round when `wait` is over or all is settled."""
        read = partial(self.read, command.round_id)
        return await self.carry(command.id, command.table_id, write, read, wait=wait)

    async def carry(
        self,
        command: str,
        table: str,
        write: Write,
        read: Callable[[], Awaitable[Answer]],
        *,
        wait: timedelta,
    ) -> Answer:
        """Carry any command of a table, and answer what `read` gives in the end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait.total_seconds()
        with self._settlements.expect([command]) as settlement:
            written = await self._write(table, write)
            environments = {lease.environment for lease in written.leases}
            tasks = [self._spawn(environment, written) for environment in environments]
            if tasks and (left := until - loop.time()) > 0:
                await asyncio.wait(tasks, timeout=left)
            return await self._await(read, settlement, until)

    async def follow(
        self, commands: Sequence[str], read: Callable[[], Awaitable[Answer]], *, wait: timedelta
    ) -> Answer:
        """Answer when couriers have settled what was left to them, or `wait` is over."""
        until = asyncio.get_running_loop().time() + wait.total_seconds()
        with self._settlements.expect(commands) as settlement:
            return await self._await(read, settlement, until)

    async def read(self, round_id: str) -> Round:
        async with self._database.connection() as conn:
            found = await rounds.get(conn, round_id)
        if found is None:
            raise errors.NotFound(f"There is no round {round_id}.", code="unknown_round")
        return found

    async def finish(self) -> None:
        """Let what was handed over come back."""
        if self._handing_over:
            await asyncio.wait(self._handing_over, timeout=LONGEST_HANDOVER_S)

    async def _write(self, table: str, write: Write) -> Written:
        """Write; a collision with another command in flight on a target is tried again."""
        for _ in range(COLLISIONS):
            try:
                async with self._database.connection() as conn:
                    written = await write(conn)
                    if written.waiting:
                        await deliveries.announce_due(conn, written.waiting)
                    return written
            except UniqueViolationError as error:
                if error.constraint_name == "rounds_one_open":
                    await self._refuse_second_round(table, error)
                elif error.constraint_name != "deliveries_one_in_flight":
                    raise
        raise errors.Unavailable(
            "The table's targets are busy with another command. Try again in a moment.",
            code="table_busy",
            retry_after_s=1,
        )

    async def _refuse_second_round(self, table: str, error: UniqueViolationError) -> None:
        """Refuse, unless the open round turns out to be over: none of its legs ever opened."""
        async with self._database.connection() as conn:
            open_round = await rounds.open_on(conn, table)
            if open_round is None:
                return
            await rounds.conclude(conn, [open_round])
            if await rounds.open_on(conn, table) != open_round:
                return
        raise errors.Conflict(
            f"{table} has an open round: give its result and finish it, or cancel it.",
            code="round_open",
            extra={"round": open_round},
        ) from error

    def _spawn(self, environment: str, written: Written) -> asyncio.Task[None]:
        """Hand over beside the request: it goes on when the caller has been answered."""
        task = asyncio.create_task(self._hand_over(environment, written))
        self._handing_over.add(task)
        task.add_done_callback(self._handing_over.discard)
        return task

    async def _hand_over(self, environment: str, written: Written) -> None:
        leases = [lease for lease in written.leases if lease.environment == environment]
        if await self._replicas.hand_over(environment, leases) is not Handover.UNSENT:
            return
        try:
            async with self._database.connection() as conn:
                await deliveries.release(
                    conn, leases, detail=f"No replica of {environment} could be reached."
                )
        except errors.Unavailable:
            log.warning("leases_not_released", environment=environment)

    async def _await(
        self, read: Callable[[], Awaitable[Answer]], settlement: asyncio.Event, until: float
    ) -> Answer:
        """Answer when all is settled, when nothing more can come in time, or when time is up."""
        loop = asyncio.get_running_loop()
        while True:
            settlement.clear()
            found = await read()
            left = until - loop.time()
            if found.settled or left <= 0:
                return found
            if not found.may_settle_by(self._database.now() + timedelta(seconds=left)):
                return found
            try:
                async with asyncio.timeout(left):
                    await settlement.wait()
            except TimeoutError:
                return await read()
