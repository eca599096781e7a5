"""Events as they stand on a stream of server-sent events."""

import orjson

from fleetkit.clock import rfc3339
from ledger.domain.feed import Published

HEARTBEAT = b": still here\n\n"


def show(event: Published) -> dict[str, object]:
    return {
        "id": event.seq,
        "type": event.type,
        "at": rfc3339(event.at),
        "table": event.table,
        "environment": event.environment,
        "round": event.round_id,
        "data": event.data,
    }


def write(event: Published) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        event.seq,
        event.type.encode(),
        orjson.dumps(show(event)),
    )


def begin(retry_ms: int) -> bytes:
    """Say how soon to come back, should the connection be lost."""
    return b"retry: %d\n\n" % retry_ms


def end(reason: str, sentence: str, retry_ms: int) -> bytes:
    """Say why it ends here; a comment, since what is no event of the ledger has no id."""
    return b": ended, %s: %s\nretry: %d\n\n" % (reason.encode(), sentence.encode(), retry_ms)
