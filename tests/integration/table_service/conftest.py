"""Replicas, the real simulator, and a ledger written as the gateway writes it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from fleetkit import ids
from fleetkit.postgres import Connection, connect, set_json_codecs
from fleetkit.testing import calling, eventually, free_port
from integration.table_service.processes import Process
from integration.table_service.recording import CODE, Recorder
from ledger.domain.commands import Kind
from ledger.domain.config import Environment, Mirror
from ledger.domain.deliveries import Lease
from ledger.store import config, deliveries, rounds
from ledger.store.rounds import Command, NewLeg, Written
from simulator.testing import Simulator, Target, run_simulator
from table_service.app import create
from table_service.settings import Settings

KEY = "inner-key-of-the-tests"
numbers = count(1)


class Desk:
    """What the gateway would do, and what can be seen of it afterwards."""

    def __init__(
        self,
        conn: Connection,
        sim: Simulator,
        database_url: str,
        redis_url: str,
        stack: AsyncExitStack,
    ) -> None:
        self.conn = conn
        self.sim = sim
        self.database_url = database_url
        self.redis_url = redis_url
        self.world = f"CIT{next(numbers)}"
        self.document: Environment | None = None
        self.version = 0
        self._stack = stack

    async def configure(self, *, quick: bool = False, **options: Any) -> None:
        """Put the next version of the environment; `quick` gives up on a call soon."""
        operations = ("start", "bet-stop", "deal", "finish", "cancel", "get")
        timeouts = dict.fromkeys(operations, 1000 if quick else 2000)
        document = {
            "environment": "CIT",
            "base_url": f"http://127.0.0.1:{self.sim.port}/{self.world.lower()}/v2/service",
            "timeouts_ms": {**timeouts, **options.pop("timeouts", {})},
            "tables": [],
            **options,
        }
        self.document = Environment.model_validate(document)
        version = await config.put(
            self.conn, self.document, author="tests", reason=None, expected=None
        )
        assert version is not None
        self.version = version

    def mirror(self, code: str = CODE, **options: Any) -> Mirror:
        assert self.document is not None
        primary = options.pop("primary", False)
        target = {"id": code, "type": "speed_roulette", **options}
        document = self.document.model_copy(update={"primary": primary})
        return Mirror.model_validate(
            {"environment": document, "version": self.version, "target": target}
        )

    async def start(
        self, *targets: Mirror | str, lease_s: float = 12, deadline_s: float = 20, table: str = CODE
    ) -> Written:
        if self.document is None:
            await self.configure()
        found = [self.mirror(each) if isinstance(each, str) else each for each in targets or [CODE]]
        command = self._command(Kind.START, ids.new(), table, {}, deadline_s)
        legs = [NewLeg(each, timedelta(seconds=lease_s)) for each in found]
        return await rounds.start(self.conn, command, game_type="speed_roulette", legs=legs)

    async def advance(
        self, kind: Kind, round_id: str, body: dict[str, object] | None = None, lease_s: float = 12
    ) -> Written:
        if kind is Kind.RESULT:
            body = body or {"roulette": "7"}
        written = await rounds.advance(
            self.conn,
            self._command(kind, round_id, CODE, body or {}, 86_400),
            lease=timedelta(seconds=lease_s),
            result=body if kind is Kind.RESULT else None,
        )
        assert written is not None
        return written

    @staticmethod
    def _command(
        kind: Kind, round_id: str, table: str, body: dict[str, object], deadline_s: float
    ) -> Command:
        return Command(
            id=ids.new(),
            round_id=round_id,
            table_id=table,
            kind=kind,
            body=body,
            actor="dealer-1",
            trace_id=None,
            deadline=timedelta(seconds=deadline_s),
        )

    def settings(self, number: int = 1, **options: str) -> dict[str, str]:
        return {
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "environment": "CIT",
            "inner_key": KEY,
            "instance": f"table-service-cit-{number}",
            "log_level": "debug",
            **options,
        }

    @asynccontextmanager
    async def replica(self, number: int = 1, **options: str) -> AsyncIterator[httpx.AsyncClient]:
        """Run a replica in this process, its courier too; give a client of its inner door."""
        given = self.settings(number, **options)
        secrets = ("database_url", "redis_url", "inner_key")
        hidden = {name: SecretStr(given.pop(name)) for name in secrets}
        async with calling(create(Settings.model_validate({**given, **hidden}))) as client:
            yield client

    async def launch(self, number: int = 1, **options: str) -> Process:
        """Run a replica as a process of its own."""
        bind = f"127.0.0.1:{free_port()}"
        given = self.settings(number, bind=bind, **options)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "table_service",
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **{f"PITBOSS_{name.upper()}": given[name] for name in given}},
        )
        made = Process(process, f"http://{bind}")
        self._stack.push_async_callback(made.close)
        await eventually(made.ready, within_s=60)
        return made

    @staticmethod
    async def hand(
        client: httpx.AsyncClient, leases: Sequence[Lease], key: str = KEY
    ) -> httpx.Response:
        """Hand leases over at the inner door, as the gateway does."""
        body = b"[" + b",".join(lease.to_wire() for lease in leases) + b"]"
        return await client.post(
            "/deliveries", content=body, headers={"authorization": f"Bearer {key}"}
        )

    async def deliver(self, client: httpx.AsyncClient, written: Written) -> int:
        answer = await self.hand(client, written.leases)
        assert answer.status_code == httpx.codes.OK, answer.text
        settled: int = answer.json()["settled"]
        return settled

    async def opened(self, client: httpx.AsyncClient, *targets: Mirror | str) -> str:
        """Open a round on all targets."""
        written = await self.start(*targets)
        assert await self.deliver(client, written) == len(written.leases)
        return written.leases[0].round_id

    async def stopped(self, client: httpx.AsyncClient, *targets: Mirror | str) -> str:
        round_id = await self.opened(client, *targets)
        await self.deliver(client, await self.advance(Kind.BET_STOP, round_id))
        return round_id

    async def dealt(self, client: httpx.AsyncClient, *targets: Mirror | str) -> str:
        round_id = await self.stopped(client, *targets)
        await self.deliver(client, await self.advance(Kind.RESULT, round_id))
        return round_id

    async def give_to_courier(self, written: Written) -> None:
        await deliveries.release(self.conn, written.leases, detail="No replica was reached.")
        await deliveries.announce_due(self.conn, ["CIT"])

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.conn.fetch(statement, *values)]

    async def delivery(self, round_id: str, kind: Kind, code: str = CODE) -> dict[str, Any]:
        (found,) = await self.rows(
            "SELECT * FROM deliveries WHERE round_id = $1 AND kind = $2 AND game_code = $3",
            round_id,
            kind,
            code,
        )
        return found

    async def states(self, round_id: str, kind: Kind) -> dict[str, str]:
        found = await self.rows(
            "SELECT * FROM deliveries WHERE round_id = $1 AND kind = $2", round_id, kind
        )
        return {row["game_code"]: row["state"] for row in found}

    async def settled(self, round_id: str, kind: Kind, *, within_s: float = 60) -> dict[str, str]:
        """Wait until all deliveries of a kind are settled; give how."""

        async def look() -> dict[str, str] | None:
            states = await self.states(round_id, kind)
            over = states and not {"pending", "sending", "unknown"} & set(states.values())
            return states if over else None

        states = await eventually(look, within_s=within_s)
        assert states is not None
        return states

    async def attempts(self, round_id: str, kind: Kind, code: str = CODE) -> list[dict[str, Any]]:
        return await self.rows(
            """SELECT a.* FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
               WHERE d.round_id = $1 AND d.kind = $2 AND d.game_code = $3 ORDER BY a.at""",
            round_id,
            kind,
            code,
        )

    def fault(self, kind: str, operation: str, table: str = CODE, **fields: Any) -> None:
        fields = {"count": 1, "table": table, **fields}
        self.sim.add_fault(kind, environment=self.world, operation=operation, **fields)

    def effects(self, operation: str, code: str = CODE) -> list[dict[str, object]]:
        found = self.sim.effects(environment=self.world, table=code)
        return [each for each in found if each["operation"] == operation]

    def asked(self, operation: str) -> int:
        """Count the requests that arrived, answered or not."""
        counts: Any = self.sim.control("GET", "requests/count").json()["environments"]
        return int(counts.get(self.world, {}).get(operation, 0))

    def at_table(self, code: str = CODE) -> Target:
        """Sit down at the table beside us, as somebody else who may use it."""
        target = Target(self.sim.port, self.world, code)
        target.open_session()
        return target


@pytest.fixture(scope="session")
def sim() -> Iterator[Simulator]:
    with run_simulator("--seed", "11", "--bet-period", "60") as running:
        yield running


@pytest.fixture
async def make_desk(sim: Simulator) -> AsyncIterator[Callable[..., Awaitable[Desk]]]:
    async with AsyncExitStack() as stack:

        async def make(owner_url: str, service_url: str, redis_url: str) -> Desk:
            conn = await connect(owner_url, name="tests")
            stack.push_async_callback(conn.close, timeout=5)
            await set_json_codecs(conn)
            desk = Desk(conn, sim, service_url, redis_url, stack)
            stack.callback(sim.control, "DELETE", f"faults?environment={desk.world}")
            return desk

        yield make


@pytest.fixture
async def desk(
    make_desk: Callable[..., Awaitable[Desk]],
    database_url_as: Callable[[str], str],
    redis_url: str,
) -> Desk:
    owner, service = (database_url_as(f"pitboss_{role}") for role in ("owner", "table_service"))
    return await make_desk(owner, service, redis_url)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    made = Recorder()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
