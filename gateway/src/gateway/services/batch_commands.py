"""One table's command of a batch: a command like any other, written once whoever carries it out."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast

from asyncpg import UniqueViolationError
from fastapi.exceptions import RequestValidationError

from fleetkit import errors
from fleetkit.database import Database
from gateway.domain import answers
from gateway.services.rounds import Asked, Rounds
from gateway.services.table_commands import Message, TableCommands
from ledger.domain.actors import Actor, Role
from ledger.domain.batches import Item, ItemState, Order
from ledger.domain.commands import Kind
from ledger.domain.rounds import RoundOutcome
from ledger.store import batches

AGAIN_S: Final = 0.5
LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a table's command, as far as could be waited for."""

    state: ItemState
    status: int | None = None
    code: str | None = None
    detail: str | None = None
    round_id: str | None = None


class Settling(Protocol):
    """What is known of a command as it stands."""

    @property
    def outcome(self) -> RoundOutcome: ...

    @property
    def settled(self) -> bool: ...

    def may_settle_by(self, horizon: datetime) -> bool: ...


class BatchCommands:
    """Carries out the commands of batches, new ones and those that another gateway had begun."""

    def __init__(
        self,
        *,
        database: Database,
        rounds: Rounds,
        table_commands: TableCommands,
    ) -> None:
        self._database = database
        self._rounds = rounds
        self._table_commands = table_commands

    async def carry(self, order: Order, item: Item, until: datetime, *, known: bool) -> Verdict:
        """Carry it out and wait for its outcome; `known` when it may be written already.

        What is away for the moment is tried again: its id keeps it from being written twice.
        """
        while True:
            try:
                written = await self._written(item) if known else None
                if written is not None:
                    return await self._follow(order, written, until)
                return await self._ask(order, item, until)
            except (errors.PitbossError, RequestValidationError, UniqueViolationError) as error:
                refusal = error
            known = True
            verdict = await self._after(order, item, until, refusal)
            if verdict is not None:
                return verdict
            if self._left(until) <= AGAIN_S:
                return _pending(item, refusal)
            await asyncio.sleep(AGAIN_S)

    async def _after(
        self, order: Order, item: Item, until: datetime, refusal: Exception
    ) -> Verdict | None:
        """Judge a refusal: ours may be what stands in the way; None where another try is due."""
        try:
            written = await self._written(item)
            if written is not None:
                return await self._follow(order, written, until)
        except errors.Unavailable:
            return None
        if isinstance(refusal, errors.Unavailable):
            return None
        if isinstance(refusal, errors.PitbossError):
            return Verdict("refused", code=refusal.code, detail=refusal.detail)
        return Verdict("refused", code="conflict", detail="Another command came in between.")

    async def _written(self, item: Item) -> str | None:
        """Give the command's round, or its own id where it has none, if the ledger has it."""
        async with self._database.connection() as conn:
            found = await batches.written(conn, [item.command_id])
        if item.command_id not in found:
            return None
        return found[item.command_id] or item.command_id

    async def _ask(self, order: Order, item: Item, until: datetime) -> Verdict:
        kind, body = order.command, cast("dict[str, Any]", order.body)
        environments = None if order.environments is None else frozenset(order.environments)
        asked = Asked(
            actor=Actor(name=order.actor, role=Role.OPERATOR, environments=environments),
            wait=timedelta(seconds=self._left(until)),
            command=item.command_id,
        )
        table, where = item.table, body.get("environments")
        if kind is Kind.START:
            deadline = timedelta(milliseconds=body["deadline_ms"])
            answered = await self._rounds.start(table, asked, environments=where, deadline=deadline)
            return _verdict(answered.round, kind, answered.round.id)
        if kind.of_table:
            return await self._command(kind, body, table, asked)
        return await self._advance(kind, body, item.round_id or "", asked)

    async def _command(self, kind: Kind, body: dict[str, Any], table: str, asked: Asked) -> Verdict:
        tables, where = self._table_commands, body.get("environments")
        if kind is Kind.PAUSE:
            done = await tables.pause(table, asked, reason=body["reason"], environments=where)
        elif kind is Kind.RESUME:
            done = await tables.resume(table, asked, environments=where)
        elif kind is Kind.VISIBILITY:
            shown = body["visibility"]
            done = await tables.show(table, asked, visibility=shown, environments=where)
        else:
            after = body.get("after_seconds")
            said = Message(
                body["type"],
                body["audience"],
                body.get("content", ""),
                None if after is None else timedelta(seconds=after),
            )
            done = await tables.broadcast(table, asked, message=said, environments=where)
            if done.suppressed:
                return Verdict("complete", answers.OK)
        return _verdict(done.command, kind, None)

    async def _advance(
        self, kind: Kind, body: dict[str, Any], round_id: str, asked: Asked
    ) -> Verdict:
        rounds = self._rounds
        if kind is Kind.BET_STOP:
            answered = await rounds.bet_stop(round_id, asked)
        elif kind is Kind.RESULT:
            answered = await rounds.result(round_id, body["result"], asked)
        elif kind is Kind.FINISH:
            answered = await rounds.finish(round_id, asked)
        else:
            answered = await rounds.cancel(round_id, body.get("reason"), asked)
        if answered.repeated:
            return Verdict("complete", answers.OK, round_id=round_id)
        return _verdict(answered.round, kind, round_id)

    async def _follow(self, order: Order, written: str, until: datetime) -> Verdict:
        """Wait for what is written already; whoever was told of its outcome may be gone by now."""
        of_table = order.command.of_table
        while True:
            found: Settling = await (
                self._table_commands.get(written) if of_table else self._rounds.get(written)
            )
            if found.settled or not found.may_settle_by(until) or self._left(until) <= LOOK_S:
                return _verdict(found, order.command, None if of_table else written)
            await asyncio.sleep(LOOK_S)

    def _left(self, until: datetime) -> float:
        return max(0.0, (until - self._database.now()).total_seconds())


def _verdict(found: Settling, kind: Kind, round_id: str | None) -> Verdict:
    whole = answers.CREATED if kind is Kind.START else answers.OK
    status = answers.of(found.outcome, whole=whole)
    return Verdict(found.outcome, status, round_id=round_id)


def _pending(item: Item, refusal: Exception) -> Verdict:
    code = refusal.code if isinstance(refusal, errors.PitbossError) else None
    detail = (
        "It could not be brought about in the batch's time; it may be written: look at the table."
    )
    return Verdict("pending", code=code, detail=detail, round_id=item.round_id)
