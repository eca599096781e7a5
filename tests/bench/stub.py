"""A Table API that costs next to nothing, in a process of its own: `python -m bench.stub PORT`."""

import asyncio
import json
import re
import socket
import struct
import sys
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import uvloop

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"
_STATUSES: Final = {
    "start": "opened",
    "bet-stop": "bet-stopped",
    "finish": "finished",
    "cancel": "cancelled",
}
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
_NOT_FOUND: Final = b'{"error":{"code":13404,"message":"no such call"},"data":null}'


@dataclass(frozen=True, slots=True)
class Manners:
    """How an environment behaves."""

    mode: str = "answer"  # or hang, or reset
    delay_ms: float = 0.0
    bet_period_s: int = 3600


@dataclass(slots=True)
class Table:
    """One table as its environment knows it."""

    number: int = 0
    status: str = "unknown"
    created: datetime = _LONG_AGO
    stop: datetime = _LONG_AGO
    result: object = None

    def render(self, code: str, period_s: int) -> bytes:
        table = {
            "gameCode": code,
            "gameType": "speed_roulette",
            "name": code,
            "visibility": "visible",
            "betPeriod": period_s,
            "autoBetStop": False,
            "pause": None,
            "maintenance": None,
            "tableRound": {
                "roundId": f"{code}-{self.number}" if self.number else "",
                "status": self.status,
                "betStopTime": _write(self.stop) if self.number else None,
                "createdAt": _write(self.created) if self.number else None,
                "result": {"roulette": self.result, "sicBo": None, "baccarat": None},
            },
        }
        return json.dumps({"error": None, "data": {"table": table}}).encode()


@dataclass(slots=True)
class World:
    """All environments, and how late bets were stopped."""

    manners: defaultdict[str, Manners] = field(default_factory=lambda: defaultdict(Manners))
    tables: defaultdict[tuple[str, str], Table] = field(default_factory=lambda: defaultdict(Table))
    late_ms: list[float] = field(default_factory=list)
    calls: int = 0

    def perform(self, environment: str, path: list[str], body: bytes) -> bytes:
        """Do a call of the Table API; `path` is what stands after `/v2/service`."""
        self.calls += 1
        if path == ["sessions"]:
            return b'{"error":null,"data":{"token":"bench"}}'
        if len(path) not in {2, 3} or path[0] != "tables":
            return _NOT_FOUND
        code, operation = path[1], path[2] if len(path) == 3 else "get"
        table, period_s = self.tables[environment, code], self.manners[environment].bet_period_s
        now = datetime.now(UTC)
        if operation == "start":
            table.number, table.result, table.created = table.number + 1, None, now
            table.stop = now + timedelta(seconds=period_s)
        elif operation == "bet-stop":
            self.late_ms.append((now - table.stop).total_seconds() * 1000)
        elif operation == "deal":
            table.result = json.loads(body).get("roulette")
        table.status = _STATUSES.get(operation, table.status)
        return table.render(code, period_s)

    def control(self, path: list[str], body: bytes) -> bytes:
        """Change an environment's manners, or tell what was noted since it was last asked."""
        if path == ["late"]:
            late, self.late_ms = self.late_ms, []
            return json.dumps(late).encode()
        if path == ["calls"]:
            return json.dumps(self.calls).encode()
        self.manners[path[0]] = replace(Manners(), **json.loads(body))
        return b"{}"


def _write(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Connection(asyncio.Protocol):
    """Answers one caller, request after request."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(_END)) >= 0:
            head = self._read[:end]
            found = _LENGTH.search(head)
            whole = end + len(_END) + (int(found[1]) if found else 0)
            if len(self._read) < whole:
                return
            body, self._read = self._read[end + len(_END) : whole], self._read[whole:]
            self._answer(head.split(b" ", 2)[1].decode().strip("/").split("/"), body)

    def _answer(self, path: list[str], body: bytes) -> None:
        if path[0] == "control":
            self._send(self._world.control(path[1:], body))
            return
        environment = path[0]
        manners = self._world.manners[environment]
        if manners.mode == "reset":
            hard = struct.pack("ii", 1, 0)
            plug = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
            self._transport.abort()
        elif manners.mode == "answer":
            content = self._world.perform(environment, path[3:], body)
            if manners.delay_ms:
                loop = asyncio.get_running_loop()
                loop.call_later(manners.delay_ms / 1000, self._send, content)
            else:
                self._send(content)

    def _send(self, content: bytes) -> None:
        if not self._transport.is_closing():
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            )
            self._transport.write(head % len(content) + content)


async def listen(world: World, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Connection(world), "127.0.0.1", port, backlog=4096, reuse_address=True
    )


async def serve(port: int) -> None:
    await (await listen(World(), port)).serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
