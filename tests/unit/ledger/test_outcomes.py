import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.outcomes import (
    Answer,
    Cause,
    Failure,
    Outcome,
    Verdict,
    classify,
    refused_again,
)

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
OPERATIONS = ["start", "bet-stop", "deal", "finish", "cancel", "pause", "resume", "visibility"]
STARTED = {
    "gameCode": "ARO-001",
    "betPeriod": 15,
    "tableRound": {"roundId": "ARO-001-7", "status": "opened"},
}


def envelope(error: object = None, table: object = None) -> bytes:
    return json.dumps({"error": error, "data": {"table": table}}).encode()


def refusal(code: object, message: object = "as the server puts it") -> bytes:
    return envelope({"code": code, "message": message})


def judged(
    status: int, body: bytes, operation: str = "deal", retry_after: str | None = None
) -> Verdict:
    answer = Answer(status, "application/json", body, retry_after)
    return classify(operation, answer, now=NOW)


@pytest.mark.parametrize("operation", [*OPERATIONS, "broadcast", "sdp-config", "streams"])
@pytest.mark.parametrize("error", [None, {}])
def test_200_with_an_empty_error_is_accepted(operation: str, error: object) -> None:
    verdict = judged(200, envelope(error, STARTED), operation)
    assert (verdict.outcome, verdict.cause, verdict.code) == (Outcome.ACCEPTED, Cause.NONE, None)
    assert verdict.health is True
    assert verdict.table is not None
    assert verdict.table.round_id == "ARO-001-7"


def test_a_status_only_answer_needs_no_table() -> None:
    assert judged(200, b'{"error": null, "data": null}', "finish").outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    "table",
    [
        None,
        {},
        {"gameCode": "ARO-001"},
        {"tableRound": None},
        {"tableRound": {"roundId": ""}},
        {"tableRound": {"roundId": 7}},
        {"tableRound": {"roundId": "r" * 1000}},
        {"tableRound": {"roundId": None}},
        "ARO-001-7",
    ],
)
def test_a_start_answered_without_a_round_id_is_unknown(table: object) -> None:
    verdict = judged(200, envelope(None, table), "start")
    assert (verdict.outcome, verdict.cause) == (Outcome.UNKNOWN, Cause.PROTOCOL)


@pytest.mark.parametrize("status", [403, 400, 200, 500])
@pytest.mark.parametrize("code", [13003, "13003"])
def test_13003_is_rejected_with_both_repairs(status: int, code: object) -> None:
    verdict = judged(status, refusal(code), "start")
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, "13003")
    assert verdict.detail == (
        "The previous round is still open on this table: "
        "enter its result and finish it, or cancel it."
    )
    assert verdict.health is True


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("table paused due to: cleaning the wheel", "paused: cleaning the wheel. Resume"),
        ("Table is paused, due to:  shift change. ", "paused: shift change. Resume"),
        ("DUE TO:\nfire\x07 drill", "paused: fire drill. Resume"),
        ("table paused", "The table is paused: resume"),
        (None, "The table is paused: resume"),
    ],
)
def test_13007_is_rejected_with_the_reason(message: object, says: str) -> None:
    verdict = judged(403, refusal(13007, message), "start")
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, "13007")
    assert says in (verdict.detail or "")


def test_13007_takes_the_reason_from_the_table_when_the_message_has_none() -> None:
    table = {"gameCode": "ARO-001", "pause": {"reason": "new shoe", "createdBy": "pit"}}
    verdict = judged(403, envelope({"code": 13007}, table), "start")
    assert "new shoe" in (verdict.detail or "")


@pytest.mark.parametrize(
    ("code", "cause", "health"),
    [
        (13040, Cause.SESSION, True),
        (13041, Cause.SESSION, True),
        (13042, Cause.UNAVAILABLE, False),
    ],
)
@pytest.mark.parametrize("status", [200, 401, 403, 503])
def test_a_session_code_refreshes_the_session_once(
    code: int, cause: Cause, status: int, health: bool
) -> None:
    verdict = judged(status, refusal(code))
    assert (verdict.outcome, verdict.cause) == (Outcome.NOT_SENT, cause)
    assert (verdict.code, verdict.refresh_session) == (str(code), True)
    assert verdict.health is health
    again = refused_again(verdict)
    assert (again.outcome, again.cause) == (Outcome.NOT_SENT, cause)
    assert not again.refresh_session


@pytest.mark.parametrize("body", [b"", envelope(), refusal(99, "no"), b"<html>"])
def test_401_refreshes_the_session_once_then_is_rejected(body: bytes) -> None:
    verdict = judged(401, body)
    assert (verdict.outcome, verdict.cause) == (Outcome.NOT_SENT, Cause.SESSION)
    assert (verdict.code, verdict.refresh_session) == ("http_401", True)
    again = refused_again(verdict)
    assert (again.outcome, again.refresh_session) == (Outcome.REJECTED, False)


def test_any_other_verdict_stands_when_it_comes_again() -> None:
    verdict = judged(403, refusal(13003))
    assert refused_again(verdict) is verdict


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", refusal(99)])
def test_404_is_rejected(body: bytes) -> None:
    verdict = judged(404, body)
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, "http_404")
    assert verdict.health is True


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("3600", 60.0),
        ("9" * 400, 60.0),
        (format_datetime(NOW + timedelta(seconds=12), usegmt=True), 12.0),
        (format_datetime(NOW + timedelta(hours=1), usegmt=True), 60.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("Sat, 21 Nov 2026 09:00:05 -0000", 5.0),
        (None, 60.0),
        ("", 60.0),
        ("soon", 60.0),
        ("-5", 60.0),
        ("٣", 60.0),
        ("Sat, 99 Nov 2026 09:00:05 GMT", 60.0),
    ],
)
def test_429_is_not_sent_and_waits_as_long_as_it_asks(header: str | None, seconds: float) -> None:
    verdict = judged(429, b"slow down", retry_after=header)
    assert (verdict.outcome, verdict.cause) == (Outcome.NOT_SENT, Cause.RATE_LIMITED)
    assert verdict.retry_after_s == seconds
    assert verdict.health is True


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"", b"<html>", envelope(), refusal(99999), refusal("oops")])
def test_5xx_is_unknown(status: int, body: bytes) -> None:
    verdict = judged(status, body)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNKNOWN, Cause.SERVER)
    assert verdict.health is False
    assert verdict.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"<!doctype html><p>hello",
        envelope(None, STARTED)[:-9],
        b"null",
        b"[]",
        b"7",
        b'"ok"',
        b"{}",
        b'{"status": "ok"}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"error": ' + b"9" * 5000 + b"}",
        refusal(0),
        refusal(None),
        refusal(True),  # noqa: FBT003 - a wrong type is the point
        refusal("E13003"),
        b'{"error": "boom", "data": null}',
        b'{"error": [], "data": null}',
    ],
)
@pytest.mark.parametrize("operation", ["start", "deal", "get"])
def test_a_garbled_200_is_unknown(operation: str, body: bytes) -> None:
    verdict = judged(200, body, operation)
    assert (verdict.outcome, verdict.cause) == (Outcome.UNKNOWN, Cause.PROTOCOL)
    assert verdict.health is False


@pytest.mark.parametrize("status", [100, 201, 202, 204, 206, 301, 302, 304, 307])
def test_any_status_below_400_but_200_is_unknown(status: int) -> None:
    verdict = judged(status, envelope(None, STARTED), "start")
    assert (verdict.outcome, verdict.cause) == (Outcome.UNKNOWN, Cause.PROTOCOL)


@pytest.mark.parametrize("status", [400, 402, 403, 405, 409, 413, 422, 499])
@pytest.mark.parametrize("body", [b"", b"<html>", envelope()])
def test_any_other_4xx_is_rejected_with_its_status(status: int, body: bytes) -> None:
    verdict = judged(status, body)
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, f"http_{status}")


@pytest.mark.parametrize("status", [200, 202, 400, 403])
def test_any_other_error_code_is_rejected_in_the_servers_words(status: int) -> None:
    verdict = judged(status, refusal(14001, "no such\x00 bet\n\u202etype"))
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, "14001")
    assert verdict.detail == "no such bet type"


def test_the_words_of_a_message_never_decide() -> None:
    for words in ("13003", "table paused due to: x", "session expired", "too many requests"):
        assert judged(400, refusal(14001, words)).outcome is Outcome.REJECTED


@given(st.text(max_size=3000))
def test_a_detail_is_bounded_and_without_control_characters(message: str) -> None:
    detail = judged(400, refusal(14001, message)).detail or ""
    assert 0 < len(detail) <= 200
    assert detail.isprintable()


@pytest.mark.parametrize(
    ("sent", "cause", "outcome", "health"),
    [
        (True, Cause.TIMEOUT, Outcome.UNKNOWN, False),
        (True, Cause.CONNECTION, Outcome.UNKNOWN, False),
        (True, Cause.PROTOCOL, Outcome.UNKNOWN, False),
        (False, Cause.REFUSED, Outcome.NOT_SENT, False),
        (False, Cause.TIMEOUT, Outcome.NOT_SENT, False),
        (False, Cause.CONNECTION, Outcome.NOT_SENT, False),
        (False, Cause.BREAKER, Outcome.NOT_SENT, None),
        (False, Cause.LIMITER, Outcome.NOT_SENT, None),
    ],
)
def test_a_failure_is_unknown_only_when_the_request_may_have_arrived(
    sent: bool, cause: Cause, outcome: Outcome, health: bool | None
) -> None:
    verdict = classify("start", Failure(sent, cause, "why\n it failed"), now=NOW)
    assert (verdict.outcome, verdict.cause) == (outcome, cause)
    assert verdict.health is health
    assert verdict.detail == "why it failed"


def test_a_session_answer_needs_a_token() -> None:
    assert judged(200, b'{"data": {"token": "t"}}', "sessions").outcome is Outcome.ACCEPTED
    assert judged(200, b'{"data": {}}', "sessions").outcome is Outcome.UNKNOWN


@given(st.sampled_from(OPERATIONS), st.integers(100, 599), st.binary(max_size=80))
def test_nothing_that_comes_back_breaks_it_or_passes_for_success(
    operation: str, status: int, body: bytes
) -> None:
    assert judged(status, body, operation).outcome is not Outcome.ACCEPTED


@given(st.binary(max_size=60), st.integers(0, 200))
def test_a_cut_or_stained_answer_is_never_taken_for_a_start(stain: bytes, at: int) -> None:
    whole = envelope(None, STARTED)
    cut = whole[: at % len(whole)]
    assert judged(200, cut, "start").outcome is Outcome.UNKNOWN
    assert judged(200, cut + stain, "start").outcome is not Outcome.REJECTED
