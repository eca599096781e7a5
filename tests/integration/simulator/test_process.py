"""The process: how it starts and stops, and that no bytes on a socket end it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fleetkit.testing import until
from simulator.testing import Simulator, Target, run_simulator


def exchange(sim: Simulator, *parts: bytes) -> bytes:
    """Send the parts one by one, then read until the other side closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as raw:
        try:
            for part in parts:
                raw.sendall(part)
            while part := raw.recv(65536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return answer


def test_sigterm_stops_it_at_once_with_calls_in_flight() -> None:
    with run_simulator() as sim:
        sim.control("PUT", "environments/CIT", {"own_port": True})
        sim.add_fault("hang")
        target = Target(sim.port, "CIT", "ARO-001", timeout_s=0.1)
        with pytest.raises(TimeoutError):
            target.do("start")
        with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as raw:
            raw.sendall(b"GET /cit/v2/service/tables/A HTTP/1.1\r\n\r\n")
            sim.process.terminate()
            assert sim.process.wait(timeout=30) == 0


def test_a_busy_port_is_said_in_a_sentence(sim: Simulator) -> None:
    command = [sys.executable, "-m", "simulator", "--bind", f"127.0.0.1:{sim.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"simulator can't listen on 127.0.0.1:{sim.port}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [["--bind", "nowhere"], ["--bet-period", "0"], ["--bet-period", "nan"], ["--effects", "0"]],
)
def test_wrong_options_are_refused(options: list[str]) -> None:
    command = [sys.executable, "-m", "simulator", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert options[0] in done.stderr


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nxxxx",
    ],
)
def test_what_is_not_http_is_answered_and_closed(sim: Simulator, raw: bytes) -> None:
    assert b"HTTP/1.1 4" in exchange(sim, raw)
    assert sim.control("GET", "health").status == 200


def test_strange_paths_are_answered(sim: Simulator) -> None:
    for path in (b"*", b"/\xff\xfe", b"/%ff/v2/service/tables/%00", b"//v2/service/tables/A/start"):
        answer = exchange(sim, b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4"), path


def test_a_body_beyond_the_limit_is_refused(sim: Simulator) -> None:
    head = b"POST /cit/v2/service/sessions HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"
    answer = exchange(sim, head, *[b"x" * 65536] * 40)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    answer = exchange(sim, b"GET / HTTP/1.1\r\nA: ", *[b"a" * 65536] * 40)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert sim.control("GET", "health").status == 200


def test_pipelined_and_split_requests_are_answered_in_order(sim: Simulator, target: Target) -> None:
    sim.add_fault("latency", environment=target.environment, table="SLOW", ms=50)
    cookie = f"Cookie: accessToken={target.token}\r\n"
    prefix = f"{target.service}/tables"
    slow = f"GET {prefix}/SLOW HTTP/1.1\r\n{cookie}\r\n".encode()
    quick = f"GET {prefix}/ARO-001 HTTP/1.1\r\n{cookie}\r\n".encode()
    last = f"GET {prefix}/ARO-001 HTTP/1.1\r\nConnection: close\r\n{cookie}\r\n".encode()
    raw = slow + quick * 200 + last
    answer = exchange(sim, raw[:30], raw[30:4000], raw[4000:])
    assert answer.count(b"HTTP/1.1 ") == 202
    assert answer.startswith(b"HTTP/1.1 401")
    assert answer.count(b'"gameCode":"ARO-001"') == 201 * 2


def test_http_1_0_is_closed_after_its_answer(sim: Simulator) -> None:
    assert exchange(sim, b"GET /control/health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_caller_gone_before_its_answer_leaves_no_trace(sim: Simulator, target: Target) -> None:
    sim.add_fault("hang", environment=target.environment, operation="get")
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as raw:
            raw.sendall(f"GET {target.service}/tables/ARO-001 HTTP/1.1\r\n\r\n".encode())
    descriptors = f"/proc/{sim.process.pid}/fd"
    until(lambda: count_files(descriptors) <= 40)


def test_callers_gone_during_faults_are_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    kinds = ["reset", "cut", "html", "trickle", "close", "hang"]
    with run_simulator() as sim:
        sim.add_fault("latency", ms=500)
        for kind in kinds:
            sim.add_fault(kind, table=kind, **({"ms": 1} if kind == "trickle" else {}))
        for code in [*kinds, "plain"]:
            with pytest.raises(TimeoutError):
                Target(sim.port, "CIT", code, timeout_s=0.01).get()
        assert Target(sim.port, "CIT", "last").get().code == 13040
    assert capfd.readouterr().err == ""


def count_files(folder: str) -> int:
    path = Path(folder)
    return len(list(path.iterdir())) if path.exists() else 0
