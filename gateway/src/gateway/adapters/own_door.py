"""The public door from inside: a request to this gateway's own app, without a socket."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Reply:
    """What the door answered."""

    status: int
    body: bytes


class OwnDoor:
    """Posts as whoever a key's hash says, since nobody keeps the key itself."""

    def __init__(self, app: ASGIApp, state: Mapping[str, Any]) -> None:
        self._app = app
        self._state = state

    async def post(self, path: str, body: bytes, *, key: str, key_hash: bytes) -> Reply:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"idempotency-key", key.encode()),
            ],
            "client": None,
            "server": None,
            "state": {**self._state, "key_hash": key_hash},
        }
        asked = [{"type": "http.request", "body": body, "more_body": False}]
        status = 500
        answer = bytearray()

        async def receive() -> Message:
            return asked.pop() if asked else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                answer.extend(message.get("body", b""))

        await self._app(scope, receive, send)
        return Reply(status, bytes(answer))
