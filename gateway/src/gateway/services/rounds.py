"""Rounds: started on every target of a table, dealt, finished or cancelled on all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import Histogram

from fleetkit import context, errors, ids
from fleetkit.database import Connection, Database
from gateway.adapters.catalog import Catalog
from gateway.services.dispatch import Dispatch
from ledger.domain import results
from ledger.domain import rounds as rules
from ledger.domain.actors import Actor
from ledger.domain.commands import Kind
from ledger.domain.config import Environment
from ledger.domain.rounds import Round
from ledger.store import rounds
from ledger.store.rounds import Command, Filter, NewLeg, Written

DAY = timedelta(hours=24)
# What a lease leaves beyond the call itself: the way to the replica and back to the ledger.
LEASE_MARGIN = timedelta(seconds=1)
LEASE = timedelta(seconds=4)

SKEW: Final = Histogram(
    "pitboss_round_skew_seconds",
    "The spread between the first and the last accepted start of a round, as it was answered.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """How a command is asked: by whom, and how long for an answer."""

    actor: Actor
    wait: timedelta
    command: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A round after a command; `repeated` when it had already taken the same one."""

    round: Round
    repeated: bool = False


class _MovedError(Exception):
    """The round's state no longer takes the command; nothing was written."""


class Rounds:
    """The commands of rounds."""

    def __init__(self, *, database: Database, catalog: Catalog, dispatch: Dispatch) -> None:
        self._database = database
        self._catalog = catalog
        self._dispatch = dispatch

    async def start(
        self, table: str, asked: Asked, *, environments: Sequence[str] | None, deadline: timedelta
    ) -> Answered:
        """Open a round on every enabled target of the table, or those of some environments."""
        found = await self._catalog.targets(table, environments)
        asked.actor.check_environments(mirror.environment.environment for mirror in found)
        types = sorted({mirror.target.type for mirror in found})
        if len(types) > 1:
            raise errors.Conflict(
                f"{table} is configured with several types ({', '.join(types)}): "
                "give its targets one type.",
                code="mixed_types",
            )
        command = _command(asked, Kind.START, ids.new(), table, deadline=deadline)
        legs = [NewLeg(mirror, _lease(mirror.environment)) for mirror in found]

        async def write(conn: Connection) -> Written:
            return await rounds.start(conn, command, game_type=types[0], legs=legs)

        round_ = await self._dispatch.run(command, write, wait=asked.wait)
        if round_.skew_ms is not None:
            SKEW.observe(round_.skew_ms / 1000)
        return Answered(round_)

    async def bet_stop(self, round_id: str, asked: Asked) -> Answered:
        return await self._advance(await self.get(round_id), Kind.BET_STOP, {}, asked)

    async def result(self, round_id: str, body: dict[str, object], asked: Asked) -> Answered:
        """Deal a result; the same one again is answered as it stands, another is a conflict."""
        round_ = await self.get(round_id)
        result = results.parse(round_.type, body).wire()
        return await self._advance(round_, Kind.RESULT, result, asked)

    async def finish(self, round_id: str, asked: Asked) -> Answered:
        return await self._advance(await self.get(round_id), Kind.FINISH, {}, asked)

    async def cancel(self, round_id: str, reason: str | None, asked: Asked) -> Answered:
        body: dict[str, object] = {} if reason is None else {"reason": reason}
        return await self._advance(await self.get(round_id), Kind.CANCEL, body, asked)

    async def get(self, round_id: str) -> Round:
        return await self._dispatch.read(round_id)

    async def find(self, wanted: Filter) -> list[Round]:
        async with self._database.searching() as conn:
            return await rounds.find(conn, wanted)

    async def _advance(
        self, round_: Round, kind: Kind, body: dict[str, object], asked: Asked
    ) -> Answered:
        command = _command(asked, kind, round_.id, round_.table, body=body)
        result = body if kind is Kind.RESULT else None

        async def write(conn: Connection) -> Written:
            written = await rounds.advance(conn, command, lease=LEASE, result=result)
            if written is None:
                raise _MovedError
            return written

        try:
            return Answered(await self._dispatch.run(command, write, wait=asked.wait))
        except _MovedError:
            stands = _as_it_stands(await self.get(round_.id), kind, result)
            return Answered(stands, repeated=True)


def _command(
    asked: Asked,
    kind: Kind,
    round_id: str,
    table: str,
    *,
    body: dict[str, object] | None = None,
    deadline: timedelta = DAY,
) -> Command:
    return Command(
        id=asked.command,
        round_id=round_id,
        table_id=table,
        kind=kind,
        body=body or {},
        actor=asked.actor.name,
        trace_id=context.trace_id.get(),
        deadline=deadline,
    )


def _lease(environment: Environment) -> timedelta:
    """Give a start's lease: long enough for its session and its call, short enough to recover."""
    timeouts = environment.timeouts_ms
    return timedelta(milliseconds=timeouts.connect) + timeouts.of("start") + LEASE_MARGIN


def _as_it_stands(round_: Round, kind: Kind, result: dict[str, object] | None) -> Round:
    """Answer a command that the round has already taken; refuse one that it can't take."""
    if kind is Kind.RESULT and round_.result is not None and round_.state != "cancelled":
        if round_.result == result:
            return round_
        raise errors.Conflict(
            "The round already has another result; a result is never changed.",
            code="result_conflict",
            extra={"result": round_.result},
        )
    if (kind, round_.state) in ((Kind.FINISH, "finished"), (Kind.CANCEL, "cancelled")):
        return round_
    sentence = rules.refusal(kind, round_.state)
    if kind is Kind.FINISH and round_.state == "dealt":
        raise errors.Conflict(
            "No leg has taken the result, so none can be finished: repair the legs, or cancel.",
            code="no_leg_dealt",
            extra={"round": round_.id},
        )
    if sentence is None:
        raise errors.Unavailable(
            "The round was changing in this moment. Try again.", code="round_busy", retry_after_s=1
        )
    raise errors.Conflict(sentence, code=f"round_{round_.state}", extra={"round": round_.id})
