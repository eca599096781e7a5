import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from fleetkit.shipping import redact
from log_service.adapters.follower import Follower
from log_service.domain.entries import UnreadableError, place, read
from log_service.domain.lines import FaultError, Line, Span, check
from log_service.domain.searches import Filter, Place, Search, read_cursor

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
GOOD = {"device_id": "wheel-07", "message": "x"}


def nested(levels: int) -> dict[str, Any]:
    deep: dict[str, Any] = {}
    for _ in range(levels):
        deep = {"in": deep}
    return deep


def taken(**fields: Any) -> Line:
    return check({**GOOD, **fields}, now=NOW, span=Span.around(NOW, 30))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"level": "LOUD"}, "level"),
        ({"level": 3}, "level"),
        ({"timestamp": "1970-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": "2026-11-28T09:00:00Z"}, "timestamp"),
        ({"timestamp": "2026-11-21T09:00:00"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"timestamp": 0}, "timestamp"),
        ({"device_id": "d" * 300}, "device_id"),
        ({"device_id": ""}, "device_id"),
        ({"device_id": "a\x00b"}, "device_id"),
        ({"device_id": None}, "device_id"),
        ({"message": "a\x00b"}, "message"),
        ({"message": "x" * 1_000_000}, "message"),
        ({"message": None}, "message"),
        ({"metadata": nested(100)}, "metadata"),
        ({"metadata": {"a": "\x00"}}, "metadata"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"trace_id": "no trace"}, "trace_id"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(FaultError) as fault:
        taken(**fields)
    assert fault.value.field == wrong


def test_what_looks_odd_and_is_none_of_our_business_is_taken() -> None:
    line = taken(message="'; DROP TABLE logs; -- <script>alert(1)</script> 🎡 輪盤", level="Warn")
    assert (line.level, line.at) == ("warning", NOW)
    assert taken(metadata=nested(10)).metadata == json.dumps(nested(10), separators=(",", ":"))


def test_names_of_the_elastic_common_schema_do_as_well() -> None:
    line = check(
        {
            "@timestamp": "2026-11-21T08:00:00+01:00",
            "log.level": "ERROR",
            "host.name": "scanner-1",
            "service.name": "scanner",
            "trace.id": "abc",
            "message": "x",
        },
        now=NOW,
        span=Span.around(NOW, 30),
    )
    assert line == Line(
        at=NOW - timedelta(hours=2),
        device_id="scanner-1",
        level="error",
        message="x",
        service="scanner",
        trace_id="abc",
    )


def test_a_line_comes_out_of_the_stream_as_it_went_in() -> None:
    line = taken(metadata={"a": [1, None]}, level="error", service="s", trace_id="t")
    assert read("1795273179805-7", {"body": line.encode()}, NOW).line == line
    assert place("1795273179805-7") < place("1795273179805-12")


@pytest.mark.parametrize("fields", [{}, {"body": b"{"}, {"body": b"[1]"}, {"ecs": b"1"}])
def test_what_is_no_entry_is_unreadable(fields: dict[str, bytes]) -> None:
    with pytest.raises(UnreadableError):
        read("1-1", fields, NOW)


def test_a_line_of_the_fleet_is_cut_down_and_never_refused() -> None:
    raw = {
        "@timestamp": "2026-11-21T08:00:00.123456Z",
        "log.level": "critical",
        "message": "m" * 20_000 + "\x00",
        "service.name": "gateway",
        "service.instance": "gateway-1",
        "trace.id": "t",
        "error.stack_trace": "s" * 50_000,
    }
    line = read("1-1", {"ecs": orjson.dumps(raw)}, NOW).line
    assert (line.device_id, line.service, line.level) == ("gateway-1", "gateway", "critical")
    assert line.at.microsecond == 123456
    assert len(line.message) == 16_384
    assert line.metadata is not None
    assert len(line.metadata) < 16_384


def test_a_cursor_is_read_back_and_a_made_up_one_is_not() -> None:
    ended = Place(NOW, place("1795273179805-7"))
    assert read_cursor(ended.cursor()) == ended
    for made_up in ("", "x", "AAAA", "🎡"):
        assert read_cursor(made_up) is None


def test_an_answer_is_kept_longer_once_its_range_is_over() -> None:
    hour = timedelta(hours=1)
    assert not Search(Filter()).is_settled(NOW)
    assert not Search(Filter(), until=NOW + hour).is_settled(NOW)
    assert Search(Filter(), until=NOW - hour).is_settled(NOW)
    page = Place(NOW - hour, place("1-1"))
    assert Search(Filter(), after=page).is_settled(NOW)
    assert not Search(Filter(), after=page, oldest_first=True).is_settled(NOW)


def test_secrets_are_taken_out_of_what_is_shipped() -> None:
    line = orjson.dumps(
        {
            "message": "called with Bearer abcdef123456 by pb_01ABC_s3cr3t-s3cr3t",
            "url": "postgresql://me:hunter2@db/pitboss",
            "session_token": "abc",
            "X-Api-Key": 'a"b',
            "tokens": 3,
            "event": "token_taken",
        }
    )
    plain = orjson.loads(redact(line))
    assert plain == {
        "message": "called with Bearer [redacted] by pb_[redacted]",
        "url": "postgresql://me:[redacted]@db/pitboss",
        "session_token": "[redacted]",
        "X-Api-Key": "[redacted]",
        "tokens": 3,
        "event": "token_taken",
    }


def test_a_file_is_read_as_it_grows_and_anew_after_a_rotation(tmp_path: Path) -> None:
    path, seen = tmp_path / "access.log", list[bytes]()
    follower = Follower(path, seen.append)
    follower.look()
    path.write_bytes(b'{"a":1}\n{"url.path":"/logs/batch"}\n{"b"')
    follower.look()
    with path.open("ab") as file:
        file.write(b":2}\n")
    follower.look()
    with path.open("ab") as file:
        file.write(b'{"old":1}\n')
    path.rename(tmp_path / "access.log.1")
    path.write_bytes(b'{"c":3}\n')
    follower.look()
    follower.close()
    assert seen == [b'{"a":1}', b'{"b":2}', b'{"old":1}', b'{"c":3}']
