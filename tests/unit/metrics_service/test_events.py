import json
from datetime import UTC, datetime
from typing import Any

import pytest

from metrics_service.domain.events import read
from metrics_service.domain.failures import InvalidMetricEventError

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW = AT.timestamp()
GOOD: dict[str, Any] = {
    "timestamp": "2026-11-21T12:00:00Z",
    "api_endpoint": "/v1/predict",
    "response_time_ms": 12,
    "status_code": 200,
    "service_name": "model-api",
}


def body(**changed: Any) -> dict[str, bytes]:
    return {"body": json.dumps({**GOOD, **changed}).encode()}


def test_an_event_is_read_as_documented() -> None:
    event = read(body(event_id="e-1"), now=NOW)
    assert (event.service, event.endpoint, event.ms) == ("model-api", "/v1/predict", 12.0)
    assert (event.at, event.failed, event.id) == (NOW, False, "e-1")
    assert read(body(status_code=None), now=NOW).failed
    assert read(body(status_code=503), now=NOW).failed
    assert not read(body(status_code=404), now=NOW).failed
    assert read(body(timestamp="2026-11-21T20:00:00+08:00"), now=NOW).at == NOW


def test_an_event_may_stand_in_fields_of_its_own() -> None:
    fields = {name: str(value).encode() for name, value in GOOD.items()}
    assert read(fields, now=NOW) == read(body(), now=NOW)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"body": b"not JSON"}, "Invalid JSON"),
        ({"body": b"\xff\xfe{"}, "Invalid JSON"),
        ({"body": b"[]"}, "object"),
        ({"body": b"{}"}, "timestamp: Field required"),
        ({"body": b"x" * 10_000_000}, "10000000 bytes"),
        ({"service_name": b"\xff\xff"}, "UTF-8"),
        ({}, "Field required"),
        (body(response_time_ms=-1), "response_time_ms"),
        (body(response_time_ms=float("nan")), "response_time_ms"),
        (body(response_time_ms=float("inf")), "response_time_ms"),
        (body(response_time_ms="12"), "response_time_ms"),
        (body(status_code=42), "status_code"),
        (body(status_code=2.5), "status_code"),
        (body(status_code=True), "status_code"),
        (body(timestamp="2025-11-21T12:00:00Z"), "24 hours back"),
        (body(timestamp="2026-11-22T12:00:00Z"), "5 minutes ahead"),
        (body(timestamp="2026-11-21T12:00:00"), "timestamp"),
        (body(timestamp="soon"), "timestamp"),
        (body(timestamp=1e300), "timestamp"),
        (body(service_name="s" * 101), "service_name"),
        (body(service_name="a\u0000b"), "service_name"),
        (body(service_name=""), "service_name"),
        (body(api_endpoint="/a\n"), "api_endpoint"),
        (body(api_endpoint=["/a"]), "api_endpoint"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(wrong: dict[str, bytes], reason: str) -> None:
    with pytest.raises(InvalidMetricEventError, match=reason) as refused:
        read(wrong, now=NOW)
    assert len(str(refused.value)) < 1000
