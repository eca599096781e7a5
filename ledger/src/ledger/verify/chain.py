"""A round's chain of events, recomputed from its rows alone."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.verify.checks import Check, Row

NUMBERS = Check(
    "numbers_have_no_gap", 8, "A round's sealed events are numbered from 1, with none missing."
)
CHAIN = Check(
    "chain_is_whole", 8, "Each sealed event's hash is that of its content and the hash before it."
)


@dataclass(frozen=True, slots=True)
class Link:
    """A sealed event as Postgres writes it out: `epoch` and `data` are its own texts."""

    number: int
    round_id: str
    type: str
    epoch: str
    data: str
    prev_hash: bytes | None
    hash: bytes | None


def digest(link: Link, before: bytes | None) -> bytes:
    """Compute the hash that seal_events gives this event after that one."""
    said = "|".join((str(link.number), link.round_id, link.type, link.epoch, link.data))
    return hashlib.sha256((before or b"") + said.encode()).digest()


def gaps(links: Sequence[Link]) -> Iterator[Row]:
    for place, link in enumerate(links, 1):
        if link.number != place:
            yield {"round": link.round_id, "expected": place, "found": link.number}
            return


def breaks(links: Sequence[Link]) -> Iterator[Row]:
    """Give each event whose hash, or the hash it names before it, is not what it must be."""
    before: bytes | None = None
    for link in links:
        what = None
        if link.prev_hash != before:
            what = "prev_hash is not the hash of the event before"
        elif link.hash != digest(link, before):
            what = "hash does not fit the content"
        if what is not None:
            yield {
                "round": link.round_id,
                "number": link.number,
                "type": link.type,
                "what": what,
            }
        before = link.hash
