"""The envelope every Table API answer comes in: `{"error": ..., "data": {"table": ...}}`."""

import json
from dataclasses import dataclass, field

LONGEST_MESSAGE = 200
_EMPTY: tuple[object, ...] = (None, {}, "")
_LONGEST_CODE = 9


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer's body; `fault` says why it is no success where no error code explains it."""

    code: str | None = None
    message: str | None = None
    table: object = None
    fault: str | None = None
    token: str | None = field(default=None, repr=False)


def parse(body: bytes) -> Envelope:
    """Read a body; never raises, for these servers now and then answer HTML, nothing or half."""
    if not body.strip():
        return Envelope(fault="The answer was empty.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        html = body.lstrip()[:1] == b"<"
        return Envelope(fault=f"The answer was {'HTML' if html else 'cut or no JSON'}.")
    if not isinstance(document, dict) or not document.keys() & {"error", "data"}:
        return Envelope(fault="The answer was JSON, but no envelope of the Table API.")
    data, error = document.get("data"), document.get("error")
    table = data.get("table") if isinstance(data, dict) else None
    if error in _EMPTY:
        token = data.get("token") if isinstance(data, dict) else None
        return Envelope(table=table, token=token if isinstance(token, str) and token else None)
    if not isinstance(error, dict):
        return Envelope(message=plain(error), table=table, fault="The answer's error has no code.")
    code = _code(error.get("code"))
    fault = None if code else "The answer's error has no code."
    return Envelope(code=code, message=plain(error.get("message")), table=table, fault=fault)


def plain(text: object) -> str | None:
    """Make foreign words fit to show: one line, no control characters, bounded."""
    if not isinstance(text, str):
        return None
    printable = "".join(each if each.isprintable() else " " for each in text[: 8 * LONGEST_MESSAGE])
    line = " ".join(printable.split())
    if len(line) > LONGEST_MESSAGE:
        line = line[: LONGEST_MESSAGE - 1] + "…"
    return line or None


def _code(value: object) -> str | None:
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= _LONGEST_CODE
    ):
        value = int(value)
    # zero is as good as no code: some servers say "no error" so, others do not, we look instead
    return str(value) if type(value) is int and value > 0 else None
