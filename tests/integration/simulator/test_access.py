"""Who may call: sessions, signatures and strict environments."""

from fleetkit.testing import until
from simulator.testing import Simulator, Target


def settle(sim: Simulator, environment: str, **settings: object) -> None:
    assert sim.control("PUT", f"environments/{environment}", settings).status == 200


def test_a_session_is_needed_and_scoped_to_its_table(sim: Simulator, target: Target) -> None:
    stranger = Target(sim.port, target.environment, target.code)
    assert (stranger.get().status, stranger.get().code) == (401, 13040)
    stranger.token = "made-up"
    assert stranger.do("start").code == 13040
    other = Target(sim.port, target.environment, "ARO-002", token=target.token)
    assert other.do("start").code == 13040
    assert target.get().round_id == ""


def test_an_environment_may_do_without_sessions(sim: Simulator, environment: str) -> None:
    settle(sim, environment, require_session=False)
    assert Target(sim.port, environment, "ARO-001").do("start").status == 200


def test_a_session_expires(sim: Simulator, environment: str) -> None:
    settle(sim, environment, session_ttl_s=0.05)
    target = Target(sim.port, environment, "ARO-001")
    target.open_session()
    until(lambda: target.get().status != 200)
    reply = target.get()
    assert (reply.status, reply.code) == (401, 13040)


def test_sessions_stand_side_by_side_unless_superseded(sim: Simulator, target: Target) -> None:
    newer = Target(sim.port, target.environment, target.code)
    newer.open_session()
    assert (target.get().status, newer.get().status) == (200, 200)
    settle(sim, target.environment, sessions_supersede=True)
    assert (target.get().status, target.get().code) == (401, 13041)
    assert newer.get().status == 200


def test_a_malformed_session_is_refused(target: Target) -> None:
    assert target.send("POST", "/sessions", {"role": "sdp"}).code == 13002
    assert target.send("POST", "/sessions", {"gameCode": "ARO-001", "role": "x"}).code == 13002


def test_a_signature_may_be_needed(sim: Simulator, target: Target) -> None:
    settle(sim, target.environment, signature=True)
    reply = target.get()
    assert (reply.status, reply.code) == (401, None)
    target.headers["x-signature"] = "anything"
    assert target.get().status == 200
    settle(sim, target.environment, signature="the-right-one")
    assert target.get().status == 401
    target.headers["x-signature"] = "the-right-one"
    assert target.get().status == 200


def test_a_strict_environment_knows_only_made_tables(sim: Simulator, environment: str) -> None:
    settle(sim, environment, strict=True)
    target = Target(sim.port, environment, "ARO-001", token="none")
    assert target.do("start").status == 404
    assert target.send("POST", "/sessions", {"gameCode": "ARO-001", "role": "sdp"}).status == 404
    assert sim.control("PUT", f"tables/{environment}/ARO-001", {}).status == 200
    target.open_session()
    assert target.do("start").status == 200
