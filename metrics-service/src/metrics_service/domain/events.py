"""A metric event as it is documented, read strictly from whatever was published."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from metrics_service.domain.failures import InvalidMetricEventError

OLDEST_S: Final = 24 * 3600.0
"""History takes an event so long after it happened: a spool may have kept it for a night."""

EARLIEST_S: Final = 300.0
"""So far may a publisher's clock go ahead of ours."""

LARGEST_BODY: Final = 64 * 1024
LONGEST_MS: Final = 3_600_000.0
ERROR_FROM: Final = 500

_PLAIN: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
_Service = Annotated[str, Field(min_length=1, max_length=100, pattern=_PLAIN)]
_Endpoint = Annotated[str, Field(min_length=1, max_length=200, pattern=_PLAIN)]
_Word = Annotated[str, Field(max_length=100)]


class Documented(BaseModel):
    """The event as it stands in the documents; what is beside it is let pass."""

    model_config = ConfigDict(frozen=True)

    timestamp: Annotated[
        AwareDatetime,
        Field(description="When it happened: RFC 3339 with its offset, or seconds since 1970."),
    ]
    api_endpoint: _Endpoint
    response_time_ms: Annotated[float, Field(ge=0, le=LONGEST_MS, allow_inf_nan=False, strict=True)]
    status_code: Annotated[
        Annotated[int, Field(ge=100, le=599, strict=True)] | None,
        Field(description="Null where no answer came; that counts as an error, as 500 and above."),
    ]
    service_name: _Service
    environment: _Word | None = None
    table_id: _Word | None = None
    operation: _Word | None = None
    trace_id: _Word | None = None
    event_id: Annotated[
        _Word | None, Field(description="Under the same id an event is counted one time.")
    ] = None


@dataclass(frozen=True, slots=True)
class MetricEvent:
    """One request that was answered, or was not."""

    at: float
    service: str
    endpoint: str
    ms: float
    failed: bool
    id: str | None


def read(fields: Mapping[str, bytes], *, now: float) -> MetricEvent:
    """Read an entry of the bus: JSON in `body`, or each value as a field of its own."""
    body = fields.get("body")
    if body is None:
        return _read_fields(fields, now)
    if len(body) > LARGEST_BODY:
        raise InvalidMetricEventError(f"It has {len(body)} bytes, more than {LARGEST_BODY}.")
    try:
        return accept(Documented.model_validate_json(body), now=now)
    except ValidationError as error:
        raise InvalidMetricEventError(describe(error)) from error


def _read_fields(fields: Mapping[str, bytes], now: float) -> MetricEvent:
    if sum(map(len, fields.values())) > LARGEST_BODY:
        raise InvalidMetricEventError(f"It has more than {LARGEST_BODY} bytes.")
    try:
        texts = {name: text.decode() for name, text in fields.items()}
        return accept(Documented.model_validate_strings(texts), now=now)
    except UnicodeDecodeError as error:
        raise InvalidMetricEventError("It is not written in UTF-8.") from error
    except ValidationError as error:
        raise InvalidMetricEventError(describe(error)) from error


def accept(given: Documented, *, now: float) -> MetricEvent:
    """Take what is well formed and of a time that can be counted."""
    at = _seconds(given.timestamp)
    if at < now - OLDEST_S:
        raise InvalidMetricEventError("timestamp: It lies more than 24 hours back.")
    if at > now + EARLIEST_S:
        raise InvalidMetricEventError("timestamp: It lies more than 5 minutes ahead.")
    return MetricEvent(
        at=at,
        service=given.service_name,
        endpoint=given.api_endpoint,
        ms=given.response_time_ms,
        failed=given.status_code is None or given.status_code >= ERROR_FROM,
        id=given.event_id,
    )


def _seconds(at: datetime) -> float:
    try:
        seconds = at.timestamp()
    except (OverflowError, ValueError) as error:
        raise InvalidMetricEventError("timestamp: It is no time on a clock.") from error
    if not math.isfinite(seconds):
        raise InvalidMetricEventError("timestamp: It is no time on a clock.")
    return seconds


def describe(error: ValidationError) -> str:
    """Say in a line what is wrong; never what was sent."""
    said = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False)[:5]:
        where = ".".join(str(part) for part in problem["loc"])
        said.append(f"{where}: {problem['msg']}" if where else problem["msg"])
    return "; ".join(said)
