"""Each kind of fault, as a client meets it on the wire."""

import gzip
import http.client
import json
import socket
import time

import pytest

from fleetkit.testing import until
from simulator.testing import Simulator, Target, run_simulator


def starts(sim: Simulator, target: Target) -> int:
    effects = sim.effects(environment=target.environment)
    return sum(effect["operation"] == "start" for effect in effects)


def poll_starts(sim: Simulator, target: Target, wanted: int) -> None:
    until(lambda: starts(sim, target) == wanted)


@pytest.mark.parametrize(("effect", "count"), [("before", 0), ("after", 1)])
def test_hang(sim: Simulator, target: Target, effect: str, count: int) -> None:
    sim.add_fault("hang", environment=target.environment, operation="start", effect=effect)
    patience_s, target.timeout_s = target.timeout_s, 0.2
    with pytest.raises(TimeoutError):
        target.do("start")
    poll_starts(sim, target, count)
    target.timeout_s = patience_s
    assert target.get().status == 200


@pytest.mark.parametrize(("kind", "count"), [("refuse", 0), ("reset", 0), ("reset_after", 1)])
def test_resets(sim: Simulator, target: Target, kind: str, count: int) -> None:
    sim.add_fault(kind, environment=target.environment, operation="start")
    with pytest.raises(ConnectionResetError):
        target.do("start")
    assert starts(sim, target) == count


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "body"), [("html", 200, b"<!doctype"), ("empty", 200, b"")]
)
def test_bodies_that_are_no_envelope(
    sim: Simulator, target: Target, *, kind: str, status: int, body: bytes, effect: bool
) -> None:
    sim.add_fault(kind, environment=target.environment, operation="start", effect=effect)
    reply = target.do("start")
    assert reply.status == status
    assert reply.body.startswith(body)
    assert (reply.body == b"") == (kind == "empty")
    assert ("text/html" in reply.headers["content-type"]) == (kind == "html")
    assert starts(sim, target) == int(effect)


@pytest.mark.parametrize("effect", [False, True])
def test_status(sim: Simulator, target: Target, effect: bool) -> None:
    sim.add_fault("status", environment=target.environment, status=502, effect=effect, count=1)
    reply = target.do("start")
    assert (reply.status, reply.code) == (502, None)
    assert starts(sim, target) == int(effect)
    sim.add_fault("status", environment=target.environment, status=503, code=13042, message="away")
    reply = target.do("start")
    assert (reply.status, reply.json()["error"]) == (503, {"code": 13042, "message": "away"})


@pytest.mark.parametrize("effect", ["before", "after"])
def test_cut(sim: Simulator, target: Target, effect: str) -> None:
    sim.add_fault("cut", environment=target.environment, operation="start", effect=effect)
    with pytest.raises(http.client.IncompleteRead) as caught:
        target.do("start")
    assert caught.value.partial
    assert starts(sim, target) == int(effect == "after")


def test_trickle(sim: Simulator, target: Target) -> None:
    sim.add_fault("trickle", environment=target.environment, ms=1, count=1)
    began = time.monotonic()
    reply = target.do("start")
    assert reply.round["status"] == "opened"
    assert time.monotonic() - began >= len(reply.body) / 1000
    sim.add_fault("trickle", environment=target.environment, ms=1000)
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as raw:
        raw.sendall(request("GET", f"{target.service}/tables/ARO-001"))
        assert raw.recv(100) == b"H"


@pytest.mark.parametrize("value", ["2", 3, "Sat, 21 Nov 2026 09:00:00 GMT"])
def test_retry_after(sim: Simulator, target: Target, value: object) -> None:
    sim.add_fault("retry_after", environment=target.environment, value=value)
    reply = target.do("start")
    assert (reply.status, reply.headers["retry-after"]) == (429, str(value))
    assert starts(sim, target) == 0


def test_session_expired(sim: Simulator, target: Target) -> None:
    sim.add_fault("session_expired", environment=target.environment, operation="start", count=1)
    assert (target.do("start").code, target.do("start").code) == (13040, 13040)
    target.open_session()
    assert target.do("start").status == 200


def test_gzip_and_chunked(sim: Simulator, target: Target) -> None:
    sim.add_fault("gzip", environment=target.environment)
    reply = target.do("start")
    assert reply.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(reply.body))["error"] is None
    sim.add_fault("chunked", environment=target.environment)
    reply = target.get()
    assert reply.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in reply.headers
    assert json.loads(gzip.decompress(reply.body))["data"]["table"]["gameCode"] == "ARO-001"


@pytest.mark.parametrize("announce", [True, False])
def test_close(sim: Simulator, target: Target, announce: bool) -> None:
    sim.add_fault("close", environment=target.environment, announce=announce)
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as raw:
        raw.sendall(request("GET", f"{target.service}/tables/ARO-001"))
        answer = b""
        while part := raw.recv(65536):
            answer += part
    assert (b"connection: close" in answer) == announce


@pytest.mark.parametrize(
    "fields",
    [
        {"ms": 80},
        {"distribution": "uniform", "ms": 60, "to_ms": 90},
        {"distribution": "lognormal", "ms": 60, "sigma": 0},
    ],
)
def test_latency(sim: Simulator, target: Target, fields: dict[str, object]) -> None:
    sim.add_fault("latency", environment=target.environment, **fields)
    sim.add_fault("gzip", environment=target.environment)
    began = time.monotonic()
    reply = target.do("start")
    assert time.monotonic() - began >= 0.055
    assert reply.headers["content-encoding"] == "gzip"
    assert starts(sim, target) == 1


@pytest.mark.parametrize(("effect", "at_once"), [("before", 0), ("after", 1)])
def test_latency_beyond_the_callers_patience(
    sim: Simulator, target: Target, effect: str, at_once: int
) -> None:
    sim.add_fault("latency", environment=target.environment, ms=2500, effect=effect)
    target.timeout_s = 0.1
    with pytest.raises(TimeoutError):
        target.do("start")
    poll_starts(sim, target, at_once)
    poll_starts(sim, target, 1)


def test_a_refused_environment_shuts_its_own_port(sim: Simulator, target: Target) -> None:
    def settle(own_port: object) -> object:
        path = f"environments/{target.environment}"
        return sim.control("PUT", path, {"own_port": own_port}).json()["own_port"]

    port = settle(own_port=True)
    assert isinstance(port, int)
    assert settle(own_port=True) == port
    private = Target(port, target.environment, target.code, target.token)
    assert private.do("start").status == 200
    with socket.create_connection(("127.0.0.1", port), timeout=10) as kept:
        kept.sendall(request("GET", "/control/health"))
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        fault = sim.add_fault("refuse", environment=target.environment)
        with pytest.raises(ConnectionResetError):
            kept.recv(1)
    with pytest.raises(ConnectionRefusedError):
        private.get()
    with pytest.raises(ConnectionResetError):
        target.get()
    assert sim.control("DELETE", f"faults/{fault}").status == 200
    assert private.get().status == 200
    assert settle(own_port=False) is None
    with pytest.raises(ConnectionRefusedError):
        private.get()


def test_refuse_for_all_leaves_control_alone() -> None:
    with run_simulator() as sim:
        reply = sim.control("PUT", "environments/CIT", {"own_port": True})
        port = reply.json()["own_port"]
        assert isinstance(port, int)
        sim.add_fault("refuse")
        with pytest.raises(ConnectionRefusedError):
            Target(port, "CIT", "ARO-001").get()
        with pytest.raises(ConnectionResetError):
            Target(sim.port, "UAT", "ARO-001").get()
        assert sim.control("POST", "reset").status == 200
        assert Target(port, "CIT", "ARO-001").get().code == 13040
        sim.add_fault("refuse", environment="CIT", count=1)
        with pytest.raises(ConnectionResetError):
            Target(port, "CIT", "ARO-001").get()
        assert Target(port, "CIT", "ARO-001").get().code == 13040


def test_count_scope_and_probability(sim: Simulator, target: Target) -> None:
    environment = target.environment
    sim.add_fault("status", environment=environment, table="ARO-001", operation="get", count=2)
    other = Target(sim.port, environment, "ARO-002")
    other.open_session()
    assert other.get().status == 200
    assert target.do("start").status == 200
    assert [target.get().status for _ in range(3)] == [503, 503, 200]

    def draw(seed: int) -> list[int]:
        sim.add_fault("status", environment=environment, probability=0.5, seed=seed)
        drawn = [target.get().status for _ in range(40)]
        sim.control("DELETE", f"faults?environment={environment}")
        return drawn

    first = draw(1)
    assert set(first) == {200, 503}
    assert (draw(1), draw(2) != first) == (first, True)


def test_of_two_acts_the_first_strikes(sim: Simulator, target: Target) -> None:
    sim.add_fault("status", environment=target.environment, status=500, count=1)
    sim.add_fault("empty", environment=target.environment, count=1)
    assert [target.get().status for _ in range(3)] == [500, 200, 200]


def test_faults_are_listed_and_ended(sim: Simulator, target: Target) -> None:
    number = sim.add_fault("cut", environment=target.environment.lower(), operation="deal")
    sim.add_fault("latency", environment=target.environment, ms=5)

    def listed() -> list[dict[str, object]]:
        faults = sim.control("GET", "faults").json()["faults"]
        assert isinstance(faults, list)
        return [fault for fault in faults if fault["environment"] == target.environment]

    assert [fault["kind"] for fault in listed()] == ["cut", "latency"]
    assert listed()[0]["effect"] == "after"
    assert target.get().status == 200
    assert listed()[1]["struck"] == 1
    assert sim.control("DELETE", f"faults/{number}").status == 200
    assert sim.control("DELETE", f"faults/{number}").status == 404
    path = f"faults?environment={target.environment.lower()}"
    assert sim.control("DELETE", path).json() == {"removed": 1}
    assert listed() == []


def request(method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: simulator\r\n\r\n".encode()
