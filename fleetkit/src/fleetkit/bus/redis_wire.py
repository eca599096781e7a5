"""Redis's answers as entries; the shortest way, since a busy queue has thousands in a second."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from redis.exceptions import RedisError

from fleetkit.bus.port import Entry

FAILURES: Final = (RedisError, OSError)


def decode_range(raw: Sequence[Any] | None) -> list[Entry]:
    """Read `[[id, [name, value, ...]], ...]`; what was deleted meanwhile has no fields."""
    return [_entry(id_, pairs) for id_, pairs in raw or () if pairs is not None]


def gone(raw: Sequence[Any] | None) -> list[str]:
    """Give the ids of what was deleted while somebody had it."""
    return [id_.decode() for id_, pairs in raw or () if pairs is None]


def decode_read(raw: Any, **_: Any) -> list[Any]:
    """Read the answer to XREADGROUP of one stream, down to the part decode_range takes."""
    if not raw:
        return []
    [[_stream, entries]] = raw
    return list(entries)


def _entry(id_: bytes, pairs: Sequence[bytes]) -> Entry:
    text = id_.decode()
    names = iter(pairs)
    fields = {
        name.decode(errors="replace"): value for name, value in zip(names, names, strict=True)
    }
    return Entry(text, fields, datetime.fromtimestamp(int(text.partition("-")[0]) / 1000, UTC))
