"""What a bus is to those who use it: queues, entries, batches that are acknowledged."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from fleetkit import errors

Fields: TypeAlias = Mapping[str, str | bytes]
"""An entry's fields; `body` is the message itself where the server tells it from the rest."""

DEAD_LENGTH: Final = 100_000
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of work: each entry is for one consumer, and gone when that has acknowledged it.

    It refuses what is over `length` or, where `size` is not 0, would begin beyond that many bytes;
    with `drop` it lets the oldest fall out. What was delivered
    `deliveries` times and never acknowledged goes to the dead letters. With `exclusive` one
    consumer is served at a time, all in order; when it dies the next takes over within 10 s,
    with all that was left first. A `log` is a record that drops its oldest and that anybody reads:
    on Redis the stream as it is, on RabbitMQ a queue bound to the fanout exchange of this name.
    """

    name: str
    length: int = 100_000
    size: int = 0
    dead: str = ""
    deliveries: int = 20
    exclusive: bool = False
    drop: bool = False
    log: bool = False

    @property
    def drops(self) -> bool:
        return self.drop or self.log

    @property
    def dead_letters(self) -> "Queue":
        """Where dead letters lie, to be read like any other queue."""
        return Queue(self.dead or f"{self.name}.dead", length=DEAD_LENGTH, drop=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was published; `id` is empty when whoever published by other means gave none.

    What has an empty one and comes `again` may be known by nothing but what it says.
    """

    id: str
    fields: Mapping[str, bytes]
    at: datetime | None = None
    tag: int = 0
    again: bool = False

    @property
    def body(self) -> bytes:
        return self.fields.get("body", b"")


class Full(errors.Unavailable):
    """The queue takes no more for now; `refused` are the places of what was not taken.

    `ids` are those of what was taken before, where only the last were refused.
    """

    code = "bus_full"

    def __init__(self, queue: str, refused: Sequence[int], ids: Sequence[str] = ()) -> None:
        super().__init__(f"The queue {queue} is full. Try again in a moment.", retry_after_s=1)
        self.refused = tuple(refused)
        self.ids = tuple(ids)


def away(reason: object) -> errors.Unavailable:
    """Say that the bus did not answer; what was being published may be there, or not."""
    return errors.Unavailable(
        "The bus can't be reached. Try again in a moment.",
        code="bus_unavailable",
        retry_after_s=1,
        extra={"reason": f"{type(reason).__name__}: {reason}"[:200]},
    )


class Batch(Protocol):
    """Entries in order, which stay the consumer's until it acknowledges them or dies."""

    @property
    def entries(self) -> Sequence[Entry]: ...

    async def ack(self, entries: Sequence[Entry] | None = None) -> None:
        """Have done with these entries, or all: they are gone from a queue of work."""

    async def dead(self, entry: Entry, reason: str, fields: Fields | None = None) -> None:
        """Lay it, or these fields in its place, among the dead letters, and have done with it."""


class Bus(Protocol):
    """Publishing and consuming; at least once, in order."""

    async def publish(self, queue: Queue, fields: Fields, *, once: str | None = None) -> str:
        """Publish one entry and give its id; see publish_many."""

    async def publish_many(
        self, queue: Queue, entries: Sequence[Fields], *, once: Sequence[str] | None = None
    ) -> list[str]:
        """Publish in order; when this returns, the server has them all.

        Under the same `once` an entry is published one time in a day on Redis; RabbitMQ carries
        it as the message's id, for the reader to know it again. Raises Full or Unavailable.
        """

    def consume(
        self,
        queue: Queue,
        *,
        group: str,
        consumer: str,
        batch: int = 100,
        in_flight: int = 1000,
        takeover_s: float = 30.0,
    ) -> AbstractAsyncContextManager[AsyncIterator[Batch]]:
        """Lend the batches of entries that no other consumer has; it reconnects by itself.

        What a consumer left that closed or lost its connection is delivered again: at once, but
        on Redis after a death under another name when `takeover_s` have gone by.
        """

    async def peek(self, queue: Queue, count: int = 100) -> list[Entry]:
        """Look at the oldest entries without taking them."""

    async def length(self, queue: Queue) -> int:
        """Count what waits; Redis counts what is delivered and not acknowledged too."""

    async def ping(self) -> bool:
        """Tell whether the server answers."""
