"""A ledger of its own for each test, written and read by the statements the services use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleetkit import ids
from fleetkit.postgres import Connection, connect, set_json_codecs
from ledger.domain.commands import Kind
from ledger.domain.config import Environment, Mirror, Target
from ledger.domain.deliveries import Attempt, Lease, Opened, Settlement
from ledger.store import deliveries, rounds
from ledger.store.deliveries import Settled
from ledger.store.rounds import Command, NewLeg, Written

RED: dict[str, object] = {"roulette": "7"}


class Ledger:
    """One connection to it, and the shortest words for what tests ask of it."""

    def __init__(self, conn: Connection, another: Callable[..., Any]) -> None:
        self.conn = conn
        self._another = another

    async def another(self, role: str = "pitboss_owner") -> "Ledger":
        """Open a second connection, as another process or as another role."""
        made: Ledger = await self._another(role)
        return made

    @staticmethod
    def target(environment: str = "CIT", code: str = "ARO-001", **options: Any) -> Mirror:
        required = options.pop("primary", False)
        document = Environment(
            environment=environment,
            base_url="http://table-api.cit.example/v2/service",
            primary=required,
            tables=(),
        )
        target = Target.model_validate({"id": code, "type": "speed_roulette", **options})
        return Mirror(environment=document, version=1, target=target)

    async def start(
        self,
        *targets: Mirror,
        table: str = "ARO-001",
        lease_s: float = 3,
        deadline_s: float = 3,
        round_id: str | None = None,
    ) -> Written:
        command = self.command(Kind.START, round_id or ids.new(), table, deadline_s=deadline_s)
        legs = [NewLeg(each, timedelta(seconds=lease_s)) for each in targets or [self.target()]]
        return await rounds.start(self.conn, command, game_type="speed_roulette", legs=legs)

    async def advance(
        self,
        kind: Kind,
        round_id: str,
        body: dict[str, object] | None = None,
        *,
        lease_s: float = 4,
        deadline_s: float = 86_400,
    ) -> Written | None:
        if kind is Kind.RESULT:
            body = body or RED
        command = self.command(kind, round_id, "ARO-001", body=body or {}, deadline_s=deadline_s)
        return await rounds.advance(
            self.conn,
            command,
            lease=timedelta(seconds=lease_s),
            result=body if kind is Kind.RESULT else None,
        )

    @staticmethod
    def command(
        kind: Kind,
        round_id: str,
        table: str,
        *,
        body: dict[str, object] | None = None,
        deadline_s: float = 3,
    ) -> Command:
        return Command(
            id=ids.new(),
            round_id=round_id,
            table_id=table,
            kind=kind,
            body=body or {},
            actor="dealer-1",
            trace_id=None,
            deadline=timedelta(seconds=deadline_s),
        )

    async def settle(self, lease: Lease, state: str = "accepted", **fields: Any) -> list[Settled]:
        """Settle as a replica would that made one call; nothing comes back when it was fenced."""
        operation = fields.pop("operation", lease.kind.operation)
        at = fields.pop("at", datetime.now(UTC))
        made = Attempt(at, operation, state, "none", 200, fields.get("code"), None, 12.5)
        fields.setdefault("outcome", state)
        fields.setdefault("attempts", (made,))
        fields.setdefault("first_sent_at", at)
        settlement = Settlement(lease, state, at, **fields)
        return await deliveries.settle(self.conn, [settlement], instance="table-service-cit-1")

    async def accept_start(
        self, lease: Lease, *, bets_s: float | None = None, auto: bool = False, number: str = "r1"
    ) -> list[Settled]:
        stop = None if bets_s is None else datetime.now(UTC) + timedelta(seconds=bets_s)
        return await self.settle(
            lease, opened=Opened(f"{lease.game_code}-{number}", 15, stop, auto)
        )

    async def opened(
        self, *targets: Mirror, bets_s: float | None = None, auto: bool = False, number: str = "r1"
    ) -> str:
        """Open a round whose legs have all started."""
        written = await self.start(*targets)
        for lease in written.leases:
            await self.accept_start(lease, bets_s=bets_s, auto=auto, number=number)
        return written.leases[0].round_id

    async def dealt(self, *targets: Mirror) -> str:
        """Open a round, stop its bets and have its result accepted by every leg."""
        round_id = await self.opened(*targets)
        for kind in (Kind.BET_STOP, Kind.RESULT):
            written = await self.advance(kind, round_id)
            assert written is not None
            for lease in written.leases:
                await self.settle(lease)
        return round_id

    async def claim(
        self, environment: str = "CIT", *, limit: int = 50, lease_s: float = 8
    ) -> list[Lease]:
        return await deliveries.claim(
            self.conn, environment, limit=limit, lease=timedelta(seconds=lease_s)
        )

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.conn.fetch(statement, *values)]

    async def delivery(
        self, round_id: str, kind: Kind, environment: str = "CIT"
    ) -> dict[str, Any] | None:
        found = await self.rows(
            """SELECT * FROM deliveries WHERE round_id = $1 AND kind = $2 AND environment = $3""",
            round_id,
            kind,
            environment,
        )
        return found[0] if found else None

    async def states(self, round_id: str) -> dict[str, str]:
        """Give the state of each delivery of a round, by environment and kind."""
        found = await self.rows("SELECT * FROM deliveries WHERE round_id = $1", round_id)
        return {f"{row['environment']} {row['kind']}": row["state"] for row in found}

    async def leg(self, round_id: str, environment: str = "CIT") -> dict[str, Any]:
        found = await self.rows(
            "SELECT * FROM legs WHERE round_id = $1 AND environment = $2", round_id, environment
        )
        return found[0]

    async def round(self, round_id: str) -> dict[str, Any]:
        return (await self.rows("SELECT * FROM rounds WHERE id = $1", round_id))[0]

    async def make_due(self, round_id: str) -> None:
        """Let the time of everything that waits for a time come."""
        await self.conn.execute(
            """UPDATE deliveries SET due_at = now() - interval '1 ms',
                      lease_until = CASE WHEN state = 'sending' THEN now() - interval '1 ms' END
               WHERE round_id = $1 AND settled_at IS NULL""",
            round_id,
        )


@pytest.fixture
async def ledger(database_url_as: Callable[[str], str]) -> AsyncIterator[Ledger]:
    async with AsyncExitStack() as stack:

        async def another(role: str) -> Ledger:
            conn = await connect(database_url_as(role), name="tests")
            stack.push_async_callback(conn.close)
            await set_json_codecs(conn)
            return Ledger(conn, another)

        yield await another("pitboss_owner")
