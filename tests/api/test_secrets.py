"""Whatever is played and whatever fails, no secret is in anything the fleet wrote or said."""

import asyncio
import base64
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from api.conftest import TABLES, Aim
from api.contract import OPERATIONS
from fleet.floor import address
from fleet.tableapi import TableApi

TABLE = "SECRET-001"
GAMES = {**TABLES, TABLE: "speed_roulette"}
SENT = re.compile(rb"accessToken=([^\r\n;]+)")


@dataclass(slots=True)
class Wire:
    """All that went between the fleet and a Table API."""

    port: int = 0
    sent: bytearray = field(default_factory=bytearray)

    @asynccontextmanager
    async def tapped(self, port: int) -> AsyncIterator[None]:
        async def pass_on(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keep: bool
        ) -> None:
            with suppress(OSError):
                while part := await reader.read(65_536):
                    if keep:
                        self.sent += part
                    writer.write(part)
            writer.close()

        lines: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inside, outside = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(
                    pass_on(reader, outside, keep=True), pass_on(inside, writer, keep=False)
                )
            finally:
                outside.close()
                writer.close()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            lines[asyncio.create_task(join(reader, writer))] = writer

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for line in lines:
                line.cancel()
            await asyncio.gather(*lines, return_exceptions=True)
            for writer in lines.values():
                writer.close()


@dataclass(slots=True)
class Door:
    """The public API, and all that was said there."""

    client: httpx.AsyncClient
    said: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: object = None, **extra: Any) -> Any:
        answer = await self.client.request(method, path, json=body, **extra)
        self.said.append(f"{answer.headers} {answer.text}")
        return answer.json() if answer.content else None

    async def configure(self, port: int, **references: str) -> Any:
        document = {
            "environment": "CIT",
            "base_url": address("CIT", port),
            "tables": [{"id": name, "type": game} for name, game in GAMES.items()],
            **references,
        }
        return await self.ask("PUT", "/v1/config/environments/CIT", document)

    async def play(self) -> None:
        """Play a round to its end, as far as the table lets us."""
        told = await self.ask("POST", f"/v1/tables/{TABLE}/rounds", {"wait_ms": 1500})
        if told and "legs" in told:
            at = f"/v1/rounds/{told['round']}"
            await self.ask("POST", f"{at}/result", {"roulette": "7", "wait_ms": 1500})
            await self.ask("POST", f"{at}/finish", {"wait_ms": 1000})
            await self.ask("POST", f"{at}/cancel", {"wait_ms": 1000})
            for path in (at, f"{at}/history", "/v1/deliveries", f"/v1/tables/{TABLE}/drift"):
                await self.ask("GET", path)


def disguises(secret: str) -> Iterator[bytes]:
    """Give a secret as it is, and as it would be in a header or a log of bytes."""
    plain = secret.encode()
    yield plain
    yield plain.hex().encode()
    for lead in (b"", b"x", b"xx"):
        # Whatever stood before it: the part of the encoding that does not depend on that.
        yield base64.b64encode(lead + plain)[4:-4]


def find_in(content: bytes, planted: dict[str, str]) -> list[str]:
    return [
        name
        for name, secret in planted.items()
        if any(disguise in content for disguise in disguises(secret))
    ]


@pytest.fixture
async def door(aim: Aim) -> AsyncIterator[Door]:
    headers = {"authorization": f"Bearer {aim.keys['admin']}"}
    async with httpx.AsyncClient(
        base_url=aim.fleet.url, headers=headers, trust_env=False, timeout=30
    ) as client:
        yield Door(client)


async def test_no_secret_is_in_anything_the_fleet_wrote_or_said(
    aim: Aim, door: Door, tmp_path: Path
) -> None:
    processes = await aim.fleet.status()
    simulator = next(p for p in processes.values() if p.service == "simulator").port
    tables, wire = TableApi(simulator), Wire()
    token, broken = tmp_path / "token", tmp_path / "broken"
    planted = {
        **aim.fleet.secrets,
        **aim.fleet.planted,
        **{f"the {role}'s key": key for role, key in aim.keys.items()},
        "table token": f"planted-token-{secrets.token_hex(8)}",
        "next table token": f"planted-token-{secrets.token_hex(8)}",
        "unusable token": f"planted-token-{secrets.token_hex(8)}",
        "mistyped key": f"planted-key-{secrets.token_hex(8)}",
        "literal": f"planted-literal-{secrets.token_hex(8)}",
    }
    token.write_text(planted["table token"])
    broken.write_text(f"one line\n{planted['unusable token']}\n")
    given = {"signature": "env:CIT_SIGNATURE", "table_token": f"file:{token}"}
    async with wire.tapped(simulator):
        assert "version" in await door.configure(wire.port, **given)
        await door.play()
        for fault in ("session_expired", "reset", "html"):
            tables.fail(fault, environment="CIT", table=TABLE, count=2)
            await door.play()
        token.write_text(planted["next table token"])
        await door.play()
        await door.configure(wire.port, table_token=f"file:{broken}")
        await door.configure(wire.port, signature="env:PITBOSS_INNER_KEY")
        await door.configure(wire.port, signature=planted["literal"])
        await door.configure(wire.port, table_token=f"file:{tmp_path / 'missing'}")
        await door.play()
        await door.configure(1, **given)
        await door.play()
        tables.heal()
        await door.configure(wire.port, **given)
        await door.play()
    wrong = {"authorization": f"Bearer {planted['mistyped key']}"}
    await door.ask("GET", "/v1/tables", headers=wrong)
    await door.ask("POST", "/v1/login", {"key": planted["mistyped key"]}, headers=wrong)
    known = {name: str(value) for name, value in aim.names().items()}
    for label in OPERATIONS:
        method, _, path = label.partition(" ")
        if method == "GET" and path != "/v1/events":
            filled = re.sub(r"{(\w+)}", lambda part: known.get(part[1], "x"), path)
            await door.ask("GET", filled)

    sessions = {one.decode() for one in SENT.findall(bytes(wire.sent))}
    assert len(sessions) > 1
    for name in ("CIT_SIGNATURE", "table token", "next table token"):
        assert planted[name].encode() in wire.sent, name
    planted |= {f"session {number}": one for number, one in enumerate(sorted(sessions))}
    assert find_in("\n".join(door.said).encode(), planted) == []
    await read_processes(aim, planted)
    assert read_state(aim, planted) > 10


async def read_processes(aim: Aim, planted: dict[str, str]) -> None:
    """Look where anybody on the machine may look, and where the monitoring does."""
    processes = await aim.fleet.status()
    pids = [each.pid for each in processes.values() if each.pid is not None]
    supervisor = psutil.Process(pids[0]).parent()
    assert supervisor is not None
    for process in (supervisor, *supervisor.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            assert find_in("\0".join(process.cmdline()).encode(), planted) == []
    ours = [p for p in processes.values() if p.service.startswith(("gateway", "table-service"))]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for one in ours:
            for path in ("/metrics", "/readyz", "/healthz"):
                said = (await client.get(f"http://127.0.0.1:{one.port}{path}")).text
                assert find_in(said.encode(), planted) == [], (one.instance, path)


def read_state(aim: Aim, planted: dict[str, str]) -> int:
    """Read every file: logs, the database with its journal, what Redis keeps, configuration."""
    files = [path for path in aim.fleet.state.rglob("*") if path.is_file()]
    names = {path.relative_to(aim.fleet.state).parts[0] for path in files}
    assert {"logs", "postgres", "valkey", "nginx"} <= names
    written = 0
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # Postgres makes and removes some all the time
        assert find_in(content, planted) == [], path
        written += bool(content)
    return written
