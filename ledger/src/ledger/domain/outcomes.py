"""What became of a call: the answer, or the lack of one, read as an outcome with its cause.

The Table API's error code decides first, the HTTP status second, the words of a message never.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from ledger.domain import envelope, tableview
from ledger.domain.tableview import TableView

RETRY_AFTER_CAP_S = 60.0

ROUND_OPEN = "13003"
PAUSED = "13007"
SESSION_EXPIRED = "13040"
SESSION_SUPERSEDED = "13041"
SERVICE_UNAVAILABLE = "13042"

ROUND_OPEN_SENTENCE = (
    "The previous round is still open on this table: enter its result and finish it, or cancel it."
)


class Outcome(StrEnum):
    """What is known of a delivery."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    PENDING = "pending"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"


class Cause(StrEnum):
    """Why a call did not simply succeed or get refused; it sets the pace of what follows."""

    NONE = "none"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    RATE_LIMITED = "rate_limited"
    SESSION = "session"
    UNAVAILABLE = "unavailable"
    SERVER = "server"
    PROTOCOL = "protocol"
    BREAKER = "breaker"
    LIMITER = "limiter"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a target, whole."""

    status: int
    content_type: str
    body: bytes
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Nothing usable came back; `sent` says whether the request may have reached the target."""

    sent: bool
    cause: Cause
    detail: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A call, judged; `health` is the breaker's evidence, None where the target was not met."""

    outcome: Outcome
    cause: Cause = Cause.NONE
    code: str | None = None
    detail: str | None = None
    retry_after_s: float | None = None
    refresh_session: bool = False
    table: TableView | None = None
    health: bool | None = True


# our own doors: they say nothing about the target
_OURS = frozenset({Cause.BREAKER, Cause.LIMITER})
_REASON = re.compile(r"due to:\s*(.*\S)", re.IGNORECASE | re.DOTALL)
_SESSION = {
    SESSION_EXPIRED: (Cause.SESSION, "The session with the table had expired."),
    SESSION_SUPERSEDED: (Cause.SESSION, "The session with the table was superseded by another."),
    SERVICE_UNAVAILABLE: (Cause.UNAVAILABLE, "The Table API says its service is unavailable."),
}


def classify(operation: str, seen: Answer | Failure, *, now: datetime) -> Verdict:
    """Judge one call by the table of codes in the design."""
    if isinstance(seen, Failure):
        return Verdict(
            outcome=Outcome.UNKNOWN if seen.sent else Outcome.NOT_SENT,
            cause=seen.cause,
            code=seen.code,
            detail=envelope.plain(seen.detail),
            health=None if seen.cause in _OURS and not seen.sent else False,
        )
    read = envelope.parse(seen.body)
    table = tableview.parse(read.table)
    verdict = (
        _by_code(read, table) or _by_status(seen, read, now) or _by_body(operation, read, table)
    )
    return replace(verdict, table=table)


def refused_again(verdict: Verdict) -> Verdict:
    """Judge a session refusal that came back although the session was refreshed."""
    if not verdict.refresh_session:
        return verdict
    if verdict.code == "http_401":
        return replace(
            verdict,
            outcome=Outcome.REJECTED,
            cause=Cause.NONE,
            refresh_session=False,
            detail=verdict.detail or "The Table API does not authorise us on this table.",
        )
    return replace(verdict, refresh_session=False)


def retry_after(header: str | None, *, now: datetime) -> float:
    """Read Retry-After (seconds or an HTTP date), 60 s at most; 60 s without sense in it."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError, IndexError):
            return RETRY_AFTER_CAP_S
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - now).total_seconds()
    return max(0.0, min(seconds, RETRY_AFTER_CAP_S))


def _by_code(read: envelope.Envelope, table: TableView | None) -> Verdict | None:
    if read.code == ROUND_OPEN:
        return Verdict(Outcome.REJECTED, code=read.code, detail=ROUND_OPEN_SENTENCE)
    if read.code == PAUSED:
        return Verdict(Outcome.REJECTED, code=read.code, detail=_paused(read.message, table))
    if read.code in _SESSION:
        cause, sentence = _SESSION[read.code]
        return Verdict(
            Outcome.NOT_SENT,
            cause=cause,
            code=read.code,
            detail=sentence,
            refresh_session=True,
            health=cause is not Cause.UNAVAILABLE,
        )
    return None


def _by_status(seen: Answer, read: envelope.Envelope, now: datetime) -> Verdict | None:
    status = seen.status
    if status == 401:  # noqa: PLR2004 - as in the design's table
        return Verdict(
            Outcome.NOT_SENT,
            cause=Cause.SESSION,
            code="http_401",
            detail=read.message or "The Table API does not authorise us on this table.",
            refresh_session=True,
        )
    if status == 404:  # noqa: PLR2004 - as in the design's table
        said = "The Table API knows no such table."
        return Verdict(Outcome.REJECTED, code="http_404", detail=read.message or said)
    if status == 429:  # noqa: PLR2004 - as in the design's table
        return Verdict(
            Outcome.NOT_SENT,
            cause=Cause.RATE_LIMITED,
            code="http_429",
            detail="The Table API asks us to slow down.",
            retry_after_s=retry_after(seen.retry_after, now=now),
        )
    if status >= 500:  # noqa: PLR2004 - as in the design's table
        said = f"The Table API failed with HTTP {status}; whether it took effect is not known."
        return Verdict(
            Outcome.UNKNOWN,
            cause=Cause.SERVER,
            code=read.code or f"http_{status}",
            detail=read.message or said,
            health=False,
        )
    return _by_refusal(read, status)


def _by_refusal(read: envelope.Envelope, status: int) -> Verdict | None:
    if read.code or 400 <= status < 500:  # noqa: PLR2004 - as in the design's table
        said = f"The Table API refused with HTTP {status}."
        code = read.code or f"http_{status}"
        return Verdict(Outcome.REJECTED, code=code, detail=read.message or said)
    if status != 200:  # noqa: PLR2004 - as in the design's table
        return _garbled(f"HTTP {status} is no answer of the Table API.")
    return None


def _by_body(operation: str, read: envelope.Envelope, table: TableView | None) -> Verdict:
    if read.fault:
        return _garbled(read.fault)
    if operation == "start" and (table is None or table.round_id is None):
        return _garbled("The start was answered without a round id.")
    if operation == "get" and table is None:
        return _garbled("The table was asked for, but the answer holds none.")
    if operation == "sessions" and read.token is None:
        return _garbled("A session was asked for, but the answer holds no token.")
    return Verdict(Outcome.ACCEPTED)


def _garbled(sentence: str) -> Verdict:
    return Verdict(Outcome.UNKNOWN, cause=Cause.PROTOCOL, detail=sentence, health=False)


def _paused(message: str | None, table: TableView | None) -> str:
    match = _REASON.search(message or "")
    reason = match[1] if match else (table.paused if table else None)
    if not reason:
        return "The table is paused: resume it to go on."
    return f"The table is paused: {envelope.plain(reason.rstrip('.'))}. Resume it to go on."
