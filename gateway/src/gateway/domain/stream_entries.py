"""Entries of the stream of commands as they come: read into a command, or found unreadable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import orjson

from ledger.domain.commands import TABLE_KINDS, Kind

NEEDED: Final = ("command", "table", "body", "key", "actor_key")
SECRET: Final = "actor_key"  # noqa: S105  # the field's name
LONGEST: Final = 255
LONGEST_BODY: Final = 1024 * 1024
LONGEST_WAIT_MS: Final = 30_000
USUAL_WAIT_MS: Final = 2000
# When the fleet is back after a while, nobody may wait any more for a round to start.
STALE_AFTER_MS: Final = 60_000
GOES_STALE: Final = frozenset({Kind.START, Kind.BROADCAST})


class UnreadableError(Exception):
    """What the entry lacks, in a sentence."""


@dataclass(frozen=True, slots=True)
class StreamCommand:
    """One command; its body is judged where REST's is."""

    kind: Kind
    table: str
    round: str | None
    body: bytes
    wait_ms: int
    key: str
    actor_key: str


def read(fields: Mapping[str, bytes]) -> StreamCommand:
    missing = [name for name in NEEDED if name not in fields]
    if missing:
        raise UnreadableError(f"It lacks the field {', '.join(missing)}.")
    texts = {name: _text(name, fields[name]) for name in NEEDED if name != "body"}
    try:
        kind = Kind(texts["command"])
    except ValueError:
        known = ", ".join(Kind)
        raise UnreadableError(f"Its command is none of {known}.") from None
    key = texts["key"]
    if not key.isascii() or not key.isprintable():
        raise UnreadableError("Its key has other than printable ASCII characters.")
    round_id = _text("round", fields["round"]) if fields.get("round") else None
    body = fields["body"] or b"{}"
    return StreamCommand(
        kind, texts["table"], round_id, body, _wait_ms(body), key, texts["actor_key"]
    )


def path(kind: Kind, table: str, round_id: str | None) -> str:
    """Give the address under which REST takes the same."""
    if kind is Kind.START:
        return f"/v1/tables/{quote(table, safe='')}/rounds"
    if kind in TABLE_KINDS:
        return f"/v1/tables/{quote(table, safe='')}/{kind}"
    return f"/v1/rounds/{quote(round_id or '', safe='')}/{kind}"


def identify(entry_id: str, fields: Mapping[str, bytes]) -> str:
    """Give what the entry is known by when it comes again; by what is in it if it has no id."""
    if entry_id:
        return entry_id
    told = b"\0".join(name.encode() + b"\0" + fields[name] for name in sorted(fields))
    return f"sha256:{hashlib.sha256(told).hexdigest()}"


def buried(fields: Mapping[str, bytes]) -> dict[str, str | bytes]:
    """Give what is kept of an unreadable entry: all but the key of whoever wrote it."""
    return {name: value for name, value in fields.items() if name != SECRET}


def _text(name: str, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UnreadableError(f"Its {name} is not UTF-8.") from None
    if not text or len(text) > LONGEST or "\0" in text:
        raise UnreadableError(f"Its {name} is empty, has a NUL or over {LONGEST} characters.")
    return text


def _wait_ms(body: bytes) -> int:
    if len(body) > LONGEST_BODY:
        raise UnreadableError("Its body is over the limit of 1 MiB.")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnreadableError("Its body is not JSON.") from None
    if not isinstance(told, dict):
        raise UnreadableError("Its body is no JSON object.")
    wait_ms = told.get("wait_ms", USUAL_WAIT_MS)
    whole = type(wait_ms) is int and 0 <= wait_ms <= LONGEST_WAIT_MS
    return wait_ms if whole else USUAL_WAIT_MS
