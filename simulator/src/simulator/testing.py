"""A running simulator for tests: started on a free port, spoken to over real sockets, stopped."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

Content = dict[str, object]
READY = "simulator listening on "


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Content:
        return cast("Content", json.loads(self.body))

    @property
    def code(self) -> int | None:
        error = self.json().get("error")
        return cast("int", error["code"]) if isinstance(error, dict) else None

    @property
    def table(self) -> Content:
        data = cast("Content", self.json()["data"])
        return cast("Content", data["table"])

    @property
    def round(self) -> Content:
        return cast("Content", self.table["tableRound"])

    @property
    def round_id(self) -> str:
        return str(self.round["roundId"])


def send(
    port: int,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    timeout_s: float = 10,
) -> Reply:
    """Make one call on a connection of its own; bytes are sent as they are, the rest as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, raw, headers or {})
        response = connection.getresponse()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, lowered, response.read())
    finally:
        connection.close()


@dataclass(slots=True)
class Target:
    """One table of one environment, called as a Table API client would."""

    port: int
    environment: str
    code: str
    token: str | None = None
    timeout_s: float = 10
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return f"/{self.environment.lower()}/v2/service"

    def open_session(self) -> str:
        reply = self.send("POST", "/sessions", {"gameCode": self.code, "role": "sdp"})
        data = cast("Content", reply.json()["data"])
        self.token = str(data["token"])
        return self.token

    def get(self) -> Reply:
        return self.send("GET", f"/tables/{self.code}", b"")

    def do(self, operation: str, **body: object) -> Reply:
        return self.send("POST", f"/tables/{self.code}/{operation}", body)

    def send(self, method: str, path: str, body: object = None) -> Reply:
        headers = dict(self.headers)
        if self.token is not None:
            headers["Cookie"] = f"accessToken={self.token}"
        return send(
            self.port, method, self.service + path, body, headers=headers, timeout_s=self.timeout_s
        )


@dataclass(frozen=True, slots=True)
class Simulator:
    """A simulator process and its control API."""

    process: "subprocess.Popen[str]"
    port: int

    def control(self, method: str, path: str, body: object = None) -> Reply:
        return send(self.port, method, f"/control/{path}", body)

    def add_fault(self, kind: str, **fields: object) -> int:
        reply = self.control("POST", "faults", {"kind": kind, **fields})
        if "fault" not in reply.json():
            raise ValueError(reply.json()["message"])
        return cast("int", reply.json()["fault"])

    def effects(self, **query: object) -> list[Content]:
        reply = self.control("GET", f"effects?{urlencode(query)}")
        return cast("list[Content]", reply.json()["effects"])


@contextmanager
def run_simulator(*options: str) -> Iterator[Simulator]:
    """Start a simulator, wait until it listens, and stop it in the end."""
    command = [sys.executable, "-m", "simulator", "--bind", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 our own program
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith(READY):
                raise RuntimeError(f"the simulator did not start: {line!r}")
            yield Simulator(process, int(line.rpartition(":")[2]))
        finally:
            process.terminate()
