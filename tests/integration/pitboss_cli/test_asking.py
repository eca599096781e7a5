"""The client against an edge that fails: asked again under the same key, or told in a sentence."""

import itertools
import json

import pytest

from fleetkit.testing import free_port
from integration.pitboss_cli.fleetdoor import (
    ROUND,
    Door,
    Reply,
    answer,
    opened,
    problem,
    stream,
)
from pitboss_cli import program
from pitboss_cli.api import Api
from pitboss_cli.endpoint import Endpoint
from pitboss_cli.refusals import Refusal, Unreachable
from pitboss_cli.watching.stream import Event, Follower, NoEvents, Resync

Capture = pytest.CaptureFixture[str]
AWAY = problem(503, "database_unavailable")
CUT = Reply(None)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITBOSS_KEY", "a-key")
    monkeypatch.delenv("PITBOSS_URL", raising=False)


def start(door: Door, *options: str) -> int:
    return int(program.main(["start", "ARO-001", "--url", door.url, *options]))


def test_a_command_is_asked_again_under_its_own_key_until_it_is_answered(capsys: Capture) -> None:
    replies = [AWAY, CUT, problem(502, "gateway_unreachable"), answer(ROUND, 201)]
    with opened(**{"v1_tables_ARO-001_rounds": replies}) as door:
        assert start(door, "--json") == 0
    [key] = set(door.keys())
    assert key
    assert len(door.asked) == 4
    assert door.asked[0].headers["authorization"] == "Bearer a-key"
    said = capsys.readouterr()
    assert json.loads(said.out) == ROUND
    assert said.err == "No answer to go by yet; trying again ...\n"


def test_each_command_has_a_key_of_its_own_unless_one_is_given(capsys: Capture) -> None:
    with opened(**{"v1_tables_ARO-001_rounds": [answer(ROUND, 201)]}) as door:
        assert [start(door), start(door), start(door, "--idempotency-key", "mine")] == [0, 0, 0]
    assert len(set(door.keys())) == 3
    assert door.keys()[2] == "mine"
    assert capsys.readouterr().err == ""


def test_an_outcome_is_an_exit_code(capsys: Capture) -> None:
    for outcome, status, code in (
        ("complete", 201, 0),
        ("failed", 502, 1),
        ("partial", 207, 4),
        ("pending", 202, 5),
    ):
        reply = answer({**ROUND, "outcome": outcome}, status)
        with opened(**{"v1_tables_ARO-001_rounds": [reply]}) as door:
            assert start(door) == code
        assert len(door.asked) == 1
        assert outcome in capsys.readouterr().out


def test_a_refusal_is_a_sentence_with_code_and_trace_and_is_not_repeated(capsys: Capture) -> None:
    for status, code in ((401, "wrong_key"), (404, "unknown_table"), (409, "round_open")):
        with opened(**{"v1_tables_ARO-001_rounds": [problem(status, code)]}) as door:
            assert start(door, "--json") == 1
        said = capsys.readouterr()
        assert said.err == f"It is {code}. [{code}, trace 4bf9]\n"
        assert json.loads(said.out)["code"] == code
        assert len(door.asked) == 1


def test_what_passes_is_waited_for(capsys: Capture) -> None:
    passing = [problem(429, "too_many"), problem(409, "still_running"), answer(ROUND, 201)]
    with opened(**{"v1_tables_ARO-001_rounds": passing}) as door:
        assert start(door) == 0
    assert len(set(door.keys())) == 1
    assert capsys.readouterr().out


def test_nobody_there_is_an_exit_code_of_its_own(capsys: Capture) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert program.main(["tables", "--url", url, "--retry-for", "0.3"]) == 3
    said = capsys.readouterr()
    assert f"{url} does not answer: " in said.err.splitlines()[-1]
    with opened(v1_tables=[AWAY]) as door:
        assert program.main(["tables", "--url", door.url, "--retry-for", "0"]) == 3
    assert "database_unavailable" in capsys.readouterr().err


def test_a_command_that_may_have_arrived_says_how_to_ask_again(capsys: Capture) -> None:
    with opened(**{"v1_tables_ARO-001_rounds": [CUT]}) as door:
        assert start(door, "--retry-for", "0") == 3
    assert f"--idempotency-key {door.keys()[0]}" in capsys.readouterr().err


def test_a_configuration_is_not_put_twice_and_a_secret_not_kept(capsys: Capture) -> None:
    made = {"name": "desk-1", "id": "01JD0000000000000000000003", "key": "pb_secret"}
    with opened(v1_keys=[answer(made, 201)]) as door:
        line = ["keys", "add", "desk-1", "--role", "dealer", "--url", door.url]
        assert program.main(line) == 0
    assert door.keys() == [None]
    said = capsys.readouterr()
    assert said.out == "pb_secret\n"
    assert "pb_secret" not in said.err
    with opened(v1_keys=[CUT]) as door:
        assert program.main(["keys", "add", "desk-1", "--role", "dealer", "--url", door.url]) == 3
    assert len(door.asked) == 1


def test_a_table_means_its_open_round(capsys: Capture) -> None:
    table = {"table": "ARO-001", "open_round": ROUND["round"]}
    path = f"v1_rounds_{ROUND['round']}_finish"
    with opened(**{"v1_tables_ARO-001": [answer(table)], path: [answer(ROUND)]}) as door:
        assert program.main(["finish", "ARO-001", "--url", door.url]) == 0
        assert program.main(["finish", str(ROUND["round"]).lower(), "--url", door.url]) == 0
    assert [one.method for one in door.asked] == ["GET", "POST", "POST"]
    with opened(**{"v1_tables_ARO-001": [answer({**table, "open_round": None})]}) as door:
        assert program.main(["finish", "ARO-001", "--url", door.url]) == 1
    assert capsys.readouterr().err == (
        "ARO-001 has no open round; its rounds: pitboss rounds --table ARO-001\n"
    )


def follow(door: Door, last_id: str | None = None) -> Follower:
    api = Api(Endpoint(door.url, "a-key"), 0.0)
    return Follower(api, {"table": "ARO-001"}, 1.0, lambda _: None, last_id)


def test_a_lost_stream_is_resumed_where_it_broke() -> None:
    first = stream((1, "round.started"), (2, "round.bet_stopped"))
    with opened(v1_events=[first, AWAY, CUT, stream((3, "round.result")), CUT]) as door:
        came = list(itertools.islice(follow(door).events(), 5))
    assert [one.id for one in came if isinstance(one, Event)] == ["1", "2", "3"]
    assert [type(one) for one in came if not isinstance(one, Event)] == [Resync, Resync]
    sent = [one.headers.get("last-event-id") for one in door.asked]
    assert sent[:4] == [None, "2", "2", "2"]
    assert door.asked[0].path == "/v1/events?table=ARO-001"
    assert door.asked[0].headers["accept"] == "text/event-stream"


def test_a_feed_that_was_begun_anew_is_followed_from_now_on() -> None:
    again = [problem(422, "future_event_id"), stream((1, "round.started"))]
    with opened(v1_events=again) as door:
        came = list(itertools.islice(follow(door, "99").events(), 2))
    assert came[0] == Resync()
    assert [one.headers.get("last-event-id") for one in door.asked][:2] == ["99", None]


def test_a_stream_that_is_refused_ends_the_watch() -> None:
    for reply, expected in (
        (problem(404, "not_found"), NoEvents),
        (problem(401, "wrong_key"), Refusal),
        (problem(422, "unknown_event_type"), Refusal),
        (AWAY, Unreachable),
    ):
        with opened(v1_events=[reply]) as door, pytest.raises(expected):
            next(follow(door).events())


def test_completing_a_table_asks_the_fleet_and_never_complains(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("_PITBOSS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "pitboss start AR")
    monkeypatch.setenv("COMP_CWORD", "2")
    tables = [{"table": "ARO-001"}, {"table": "BAC-001"}]
    for replies, expected in (
        ([answer({"tables": tables})], "plain,ARO-001"),
        ([problem(401, "wrong_key")], ""),
        ([CUT], ""),
    ):
        with opened(v1_tables=replies) as door:
            monkeypatch.setenv("PITBOSS_URL", door.url)
            with pytest.raises(SystemExit):
                program.main([])
        said = capsys.readouterr()
        assert (said.out.strip(), said.err) == (expected, "")
