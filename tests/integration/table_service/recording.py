"""A Table API that writes down what it is sent, header by header."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

CODE = "ARO-001"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorder:
    """A Table API that writes down every request and answers as it is told."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    table: dict[str, Any] = field(default_factory=dict)

    def of(self, operation: str) -> list[Seen]:
        ends = {"get": f"/tables/{CODE}"}.get(operation, f"/{operation}")
        return [each for each in self.seen if each.path.endswith(ends)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().rstrip().split("\r\n")
                # names as they were sent: the header literally named Bearer is what is looked at
                headers = dict(line.split(": ", 1) for line in lines)
                size = int({k.lower(): v for k, v in headers.items()}.get("content-length", 0))
                body = await reader.readexactly(size)
                method, path, _ = first.split()
                self.seen.append(Seen(method, path, headers, body))
                token = {"token": f"session-{len(self.of('sessions'))}"}
                data = token if path.endswith("/sessions") else {"table": self.table}
                answer = orjson.dumps({"error": None, "data": data})
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
