"""Stands in for an edge that fails as it is told, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROUND: dict[str, Any] = {
    "round": "01JD0000000000000000000000",
    "table": "ARO-001",
    "type": "speed_roulette",
    "state": "open",
    "outcome": "complete",
    "result": None,
    "started_at": "2026-11-21T09:00:00.000Z",
    "skew_ms": None,
    "legs": [],
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; a cut one ends after the head, no status ends before it."""

    status: int | None
    content: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def answer(document: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(document), {"content-type": "application/json", **headers})


def problem(status: int, code: str, **headers: str) -> Reply:
    document = {"detail": f"It is {code}.", "code": code, "status": status, "trace_id": "4bf9"}
    return answer(document, status, **headers)


def stream(*events: tuple[int, str]) -> Reply:
    """Answer some events and end."""
    frames = "".join(
        f"id: {number}\nevent: {kind}\ndata: "
        + json.dumps({"id": number, "type": kind, "table": "ARO-001", "round": None, "data": {}})
        + "\n\n"
        for number, kind in events
    )
    return Reply(200, f"retry: 10\n\n{frames}", {"content-type": "text/event-stream"})


@dataclass
class Door:
    """The edge; each path is answered by its replies in turn, the last of them again and again."""

    replies: dict[str, list[Reply]]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        left = self.replies.get(asked.path.partition("?")[0], [problem(404, "not_found")])
        return left.pop(0) if len(left) > 1 else left[0]

    def keys(self) -> list[str | None]:
        return [one.headers.get("idempotency-key") for one in self.asked]


@contextmanager
def opened(**replies: list[Reply]) -> Iterator[Door]:
    """Open the door; `v1_rounds=[...]` answers /v1/rounds."""
    door = Door({"/" + name.replace("_", "/"): given for name, given in replies.items()})

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(length).decode()
            reply = door.reply(Asked(self.command, self.path, headers, body))
            self.close_connection = True
            if reply.status is None:
                return
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(reply.content.encode())

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815  # http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    door.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
