"""Whose work the running task does: request and trace ids, kept in context variables."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fleetkit import ids

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
span_id: ContextVar[str | None] = ContextVar("span_id", default=None)
trace_flags: ContextVar[str] = ContextVar("trace_flags", default="01")

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def parse_traceparent(header: str | None) -> tuple[str, str] | None:
    """Give (trace id, flags) of a W3C traceparent, or None when it is none."""
    match = _TRACEPARENT.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    version, trace, parent, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if not int(trace, 16) or not int(parent, 16):
        return None
    return trace, flags


def sane_request_id(text: str | None) -> str:
    """Keep the caller's id where it is short and plain, so that a log line can't be forged."""
    if text is not None and _REQUEST_ID.fullmatch(text):
        return text
    return ids.new()


def enter(*, request: str | None = None, parent: str | None = None) -> None:
    """Set the ids for this task and what it starts, new ones where none came in."""
    trace, flags = parse_traceparent(parent) or (secrets.token_hex(16), "01")
    request_id.set(sane_request_id(request))
    trace_id.set(trace)
    span_id.set(secrets.token_hex(8))
    trace_flags.set(flags)


@contextmanager
def entered(*, request: str | None = None, parent: str | None = None) -> Iterator[None]:
    """As `enter`, for a stretch of work that no request started; the ids before it come back."""
    before = [(var, var.get()) for var in (request_id, trace_id, span_id)]
    flags = trace_flags.get()
    enter(request=request, parent=parent)
    try:
        yield
    finally:
        for var, value in before:
            var.set(value)
        trace_flags.set(flags)


def traceparent() -> str:
    """Give the header for an outgoing call."""
    trace = trace_id.get() or secrets.token_hex(16)
    span = span_id.get() or secrets.token_hex(8)
    return f"00-{trace}-{span}-{trace_flags.get()}"


def headers() -> dict[str, str]:
    """Give both headers for an outgoing call inside the fleet."""
    outgoing = {"traceparent": traceparent()}
    request = request_id.get()
    if request is not None:
        outgoing["x-request-id"] = request
    return outgoing
