"""Control: effects, counts, reset, and a sentence for everything that is wrong."""

import socket
import threading

import pytest

from simulator.testing import Simulator, Target, run_simulator


def test_effects_name_their_caller(sim: Simulator, target: Target) -> None:
    target.headers = {"traceparent": "00-aa-bb-01"}
    target.do("pause", reason="x")
    target.headers = {"traceparent": "00-aa-bb-01", "X-Request-Id": "req-1"}
    target.do("resume")
    callers = [str(effect["caller"]) for effect in sim.effects(environment=target.environment)]
    assert callers[0].startswith("127.0.0.1:")
    assert callers[1:] == ["00-aa-bb-01", "req-1"]


def test_effects_are_filtered(sim: Simulator, target: Target) -> None:
    other = Target(sim.port, target.environment, "ARO-002")
    other.open_session()
    mine = sim.effects(environment=target.environment.lower(), table="ARO-001")
    assert [effect["table"] for effect in mine] == ["ARO-001"]
    later = sim.effects(environment=target.environment, since=mine[0]["n"])
    assert [effect["table"] for effect in later] == ["ARO-002"]
    assert sim.effects(since=10**12) == []


def test_a_long_ledger_is_read_in_order(sim: Simulator, target: Target) -> None:
    sim.control("PUT", f"environments/{target.environment}", {"require_session": False})
    path = f"{target.service}/tables/ARO-001/resume"
    raw = f"POST {path} HTTP/1.1\r\nX-Request-Id: many\r\n\r\n".encode() * 1200
    with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as client:
        threading.Thread(target=client.sendall, args=(raw,)).start()
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 1200:
            answers += client.recv(65536)
    effects = sim.effects(environment=target.environment)
    assert len(effects) == 1201
    assert effects == sorted(effects, key=lambda effect: str(effect["n"]).zfill(9))


def test_requests_are_counted(sim: Simulator, target: Target) -> None:
    sim.add_fault("reset", environment=target.environment, operation="start")
    with pytest.raises(ConnectionResetError):
        target.do("start")
    target.get()
    target.get()
    counts = sim.control("GET", "requests/count").json()
    environments = counts["environments"]
    assert isinstance(environments, dict)
    assert environments[target.environment] == {"sessions": 1, "start": 1, "get": 2}


def test_effects_are_bounded_and_forgotten_on_demand() -> None:
    with run_simulator("--effects", "3", "--bet-period", "5") as sim:
        target = Target(sim.port, "CIT", "ARO-001")
        target.open_session()
        assert target.do("start").table["betPeriod"] == 5
        for _ in range(3):
            target.do("visibility", visibility="visible")
        answer = sim.control("GET", "effects").json()
        assert answer["dropped"] == 2
        assert [effect["n"] for effect in sim.effects()] == [3, 4, 5]
        assert [effect["n"] for effect in sim.effects(since=4)] == [5]
        assert sim.control("DELETE", "effects").status == 200
        assert sim.control("GET", "effects").json() == {"effects": [], "dropped": 0}
        target.do("resume")
        assert [effect["n"] for effect in sim.effects(since=2)] == [6]


def test_reset_forgets_all_but_the_environments() -> None:
    with run_simulator() as sim:
        sim.control("PUT", "environments/cit", {"require_session": False})
        target = Target(sim.port, "CIT", "ARO-001")
        first = target.do("start").round_id
        sim.add_fault("hang", operation="deal")
        assert sim.control("POST", "reset").status == 200
        assert sim.control("GET", "effects").json() == {"effects": [], "dropped": 0}
        assert sim.control("GET", "faults").json() == {"faults": []}
        assert sim.control("GET", "requests/count").json() == {"total": 0, "environments": {}}
        assert target.get().round_id == ""
        assert target.do("start").round_id != first


def test_settings_are_answered(sim: Simulator, environment: str) -> None:
    settings = {"bet_period_s": 0.5, "auto_bet_stop": True, "game_type": "sicbo"}
    reply = sim.control("PUT", f"tables/{environment.lower()}/SBO-001", settings)
    assert reply.json() == {
        **settings,
        "environment": environment,
        "table": "SBO-001",
        "visibility": "visible",
        "slots": ["P1", "B1", "P2", "B2", "P3", "B3"],
        "txn_stop_s": None,
    }
    reply = sim.control("PUT", f"environments/{environment}", {"session_ttl_s": 1.5})
    assert reply.json() == {
        "environment": environment,
        "strict": False,
        "signature": False,
        "sessions_supersede": False,
        "session_ttl_s": 1.5,
        "require_session": True,
        "own_port": None,
    }
    reply = sim.control("PUT", f"environments/{environment}", {"strict": True})
    assert (reply.json()["strict"], reply.json()["session_ttl_s"]) == (True, 1.5)
    assert sim.control("GET", "health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", b"{"),
        ("POST", "faults", []),
        ("POST", "faults", {}),
        ("POST", "faults", {"kind": "earthquake"}),
        ("POST", "faults", {"kind": 7}),
        ("POST", "faults", {"kind": "reset", "kund": 1}),
        ("POST", "faults", {"kind": "reset", "operation": "bet_stop"}),
        ("POST", "faults", {"kind": "reset", "environment": "no such/one"}),
        ("POST", "faults", {"kind": "reset", "table": 7}),
        ("POST", "faults", {"kind": "reset", "environment": ""}),
        ("POST", "faults", {"kind": "retry_after", "value": "Sat, 21 Nov 2026 09:00:00 GMT\r\n"}),
        ("POST", "faults", {"kind": "reset", "probability": 1.1}),
        ("POST", "faults", {"kind": "reset", "probability": True}),
        ("POST", "faults", {"kind": "reset", "count": 0}),
        ("POST", "faults", {"kind": "reset", "seed": "x"}),
        ("POST", "faults", {"kind": "reset", "ms": 5}),
        ("POST", "faults", {"kind": "latency"}),
        ("POST", "faults", {"kind": "latency", "ms": -1}),
        ("POST", "faults", {"kind": "latency", "ms": 5, "to_ms": 9}),
        ("POST", "faults", {"kind": "latency", "ms": 5, "distribution": "uniform"}),
        ("POST", "faults", {"kind": "latency", "ms": 5, "distribution": "uniform", "to_ms": 4}),
        ("POST", "faults", {"kind": "latency", "ms": 5, "distribution": "pareto"}),
        ("POST", "faults", {"kind": "trickle"}),
        ("POST", "faults", {"kind": "hang", "effect": "sometimes"}),
        ("POST", "faults", {"kind": "status", "status": 99}),
        ("POST", "faults", {"kind": "status", "message": ["x"]}),
        ("POST", "faults", {"kind": "retry_after", "value": "soon\r\nx: y"}),
        ("POST", "faults", {"kind": "close", "announce": 1}),
        ("DELETE", "faults/x", None),
        ("DELETE", "faults?env=CIT", None),
        ("GET", "effects?since=-1", None),
        ("GET", "effects?since=1&since=2", None),
        ("PUT", "environments/c%20it", {}),
        ("PUT", "environments/CIT", {"strict": "yes"}),
        ("PUT", "environments/CIT", {"signature": 7}),
        ("PUT", "environments/CIT", {"session_ttl_s": 0}),
        ("PUT", "environments/CIT", {"own_port": 70000}),
        ("PUT", "environments/CIT", {"stricter": True}),
        ("PUT", "tables/CIT/ARO-BAD", {"bet_period_s": 0}),
        ("PUT", "tables/CIT/ARO-BAD", {"bet_period_s": "5"}),
        ("PUT", "tables/CIT/ARO-BAD", {"game_type": "poker"}),
        ("PUT", "tables/CIT/ARO-BAD", {"visibility": "hidden"}),
        ("PUT", "tables/CIT/ARO-BAD", {"slots": ["P1"]}),
        ("PUT", "tables/CIT/-", {}),
    ],
)
def test_wrong_input_is_answered_with_a_sentence(
    sim: Simulator, method: str, path: str, body: object
) -> None:
    reply = sim.control(method, path, body)
    assert reply.status == 400
    assert str(reply.json()["message"]).endswith(".")


def test_a_taken_port_is_said(sim: Simulator) -> None:
    reply = sim.control("PUT", "environments/CIT", {"own_port": sim.port})
    assert reply.status == 400
    assert str(sim.port) in str(reply.json()["message"])


def test_unknown_routes(sim: Simulator) -> None:
    for method, path in (("GET", "nothing"), ("POST", "health"), ("GET", "requests/x")):
        assert sim.control(method, path).status == 404
