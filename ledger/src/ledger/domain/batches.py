"""A batch: one command on many tables, and how far each of them got."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ledger.domain.commands import Kind

ItemState = Literal[
    "waiting", "running", "complete", "partial", "failed", "pending", "refused", "not_begun"
]
BatchState = Literal["running", "finished", "timed_out", "cancelled"]

STATES: Final[tuple[ItemState, ...]] = (
    "waiting",
    "running",
    "complete",
    "partial",
    "failed",
    "pending",
    "refused",
    "not_begun",
)
UNFINISHED: Final = frozenset({"waiting", "running"})
# What a batch could not bring to an end: its time was up, or it was cancelled.
LEFT: Final = frozenset({"pending", "not_begun"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a batch asks of each table, and how it goes about it."""

    id: str
    command: Kind
    body: Mapping[str, object]
    actor: str
    environments: tuple[str, ...] | None
    max_concurrent: int
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Item:
    """One table of a batch; its command has its id before it is written."""

    position: int
    table: str
    command_id: str
    round_id: str | None = None
    state: ItemState = "waiting"
    status: int | None = None
    code: str | None = None
    detail: str | None = None
    begun_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands."""

    order: Order
    created_at: datetime
    deadline_at: datetime
    cancelled_at: datetime | None
    finished_at: datetime | None
    items: tuple[Item, ...]

    @property
    def state(self) -> BatchState:
        if self.finished_at is None:
            return "running"
        if self.cancelled_at is not None:
            return "cancelled"
        return "timed_out" if any(item.state == "pending" for item in self.items) else "finished"

    def count(self) -> dict[str, int]:
        states = [item.state for item in self.items]
        return {state: states.count(state) for state in STATES}


def repeated(names: Sequence[str]) -> list[str]:
    """Give the names that stand there more than once, in their order."""
    return [name for name, count in Counter(names).items() if count > 1]
