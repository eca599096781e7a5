"""The commands of a table itself: pause, resume, visibility, broadcast, on each of its targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fleetkit import context, errors
from fleetkit.database import Connection, Database
from gateway.adapters.catalog import Catalog
from gateway.services.dispatch import Dispatch
from gateway.services.rounds import LEASE_MARGIN, Asked
from ledger.domain.commands import Kind
from ledger.domain.config import Environment
from ledger.domain.policy import POLICIES
from ledger.domain.table_commands import TableCommand
from ledger.store import audit, deliveries, table_commands
from ledger.store.rounds import Written
from ledger.store.table_commands import NewTarget, Order


@dataclass(frozen=True, slots=True)
class Message:
    """What is broadcast; the same type is not said twice within a moment."""

    type: str
    audience: str
    content: str = ""
    after: timedelta | None = None

    def wire(self) -> dict[str, object]:
        metadata: dict[str, object] = dict.fromkeys(
            ("title", "description", "code", "suggestion"), ""
        )
        metadata["signalType"] = self.type
        metadata["audience"] = self.audience
        metadata["afterSeconds"] = 0 if self.after is None else int(self.after.total_seconds())
        return {"content": self.content, "metadata": metadata}


@dataclass(frozen=True, slots=True)
class Done:
    """A command as it stands; `suppressed` when it was only an earlier one's echo."""

    command: TableCommand
    suppressed: bool = False


class _SuppressedError(Exception):
    """All targets were told the same a moment ago; nothing was written."""


class TableCommands:
    """What is asked of tables beside their rounds."""

    def __init__(self, *, database: Database, catalog: Catalog, dispatch: Dispatch) -> None:
        self._database = database
        self._catalog = catalog
        self._dispatch = dispatch

    async def pause(
        self, table: str, asked: Asked, *, reason: str, environments: Sequence[str] | None
    ) -> Done:
        return await self._ask(table, asked, Kind.PAUSE, {"reason": reason}, environments)

    async def resume(self, table: str, asked: Asked, *, environments: Sequence[str] | None) -> Done:
        return await self._ask(table, asked, Kind.RESUME, {}, environments)

    async def show(
        self, table: str, asked: Asked, *, visibility: str, environments: Sequence[str] | None
    ) -> Done:
        body: dict[str, object] = {"visibility": visibility}
        return await self._ask(table, asked, Kind.VISIBILITY, body, environments)

    async def broadcast(
        self, table: str, asked: Asked, *, message: Message, environments: Sequence[str] | None
    ) -> Done:
        return await self._ask(
            table, asked, Kind.BROADCAST, message.wire(), environments, deadline=message.after
        )

    async def get(self, command: str) -> TableCommand:
        async with self._database.connection() as conn:
            found = await table_commands.get(conn, command)
        if found is None:
            raise errors.NotFound(f"There is no command {command}.", code="unknown_command")
        return found

    async def _ask(
        self,
        table: str,
        asked: Asked,
        kind: Kind,
        body: dict[str, object],
        environments: Sequence[str] | None,
        *,
        deadline: timedelta | None = None,
    ) -> Done:
        found = await self._catalog.targets(table, environments)
        asked.actor.check_environments(mirror.environment.environment for mirror in found)
        order = Order(
            id=asked.command,
            table=table,
            kind=kind,
            body=body,
            actor=asked.actor.name,
            trace_id=context.trace_id.get(),
            deadline=deadline or _deadline(kind),
        )
        targets = [NewTarget(mirror, _lease(mirror.environment, kind)) for mirror in found]

        async def write(conn: Connection) -> Written:
            ordered = await table_commands.write(conn, order, targets)
            if ordered is None:
                raise _SuppressedError
            if ordered.undone:
                await deliveries.announce_settled(conn, ordered.undone)
            await audit.record(
                conn,
                actor=order.actor,
                action=f"table.{kind}",
                subject=f"tables/{table}",
                after={**body, "command": order.id, "environments": environments},
                address=asked.actor.address,
            )
            return ordered.written

        async def read() -> TableCommand:
            return await self.get(order.id)

        try:
            return Done(await self._dispatch.carry(order.id, table, write, read, wait=asked.wait))
        except _SuppressedError:
            async with self._database.connection() as conn:
                earlier = await table_commands.last_like(conn, order)
            return Done(await self.get(earlier or order.id), suppressed=True)


def _deadline(kind: Kind) -> timedelta:
    deadline = POLICIES[kind].deadline
    if deadline is None:
        raise ValueError(f"a {kind} has no deadline of its own")
    return deadline


def _lease(environment: Environment, kind: Kind) -> timedelta:
    """Give a lease long enough for a session and the call, short enough to recover."""
    timeouts = environment.timeouts_ms
    connect = timedelta(milliseconds=timeouts.connect)
    return connect + timeouts.of(kind.operation) + LEASE_MARGIN
