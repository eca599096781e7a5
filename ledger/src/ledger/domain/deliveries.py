"""A delivery in somebody's hands (a lease), and what became of it (a settlement)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

import orjson

from ledger.domain.commands import Kind

SETTLED = frozenset({"accepted", "rejected", "expired", "superseded", "skipped"})


_TIMES = ("lease_until", "deadline_at", "due_at", "first_sent_at", "written_at", "started_at")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to carry out one delivery until a time, with all that is needed to do so."""

    id: str
    token: str
    lease_until: datetime
    deadline_at: datetime
    command_id: str
    round_id: str
    table_id: str
    environment: str
    game_code: str
    served_by: str
    config_version: int
    kind: Kind
    body: dict[str, object]
    leg_state: str
    required: bool
    external_round_id: str | None
    known_round_id: str | None
    bet_stop: str
    timecode_offset_ms: int
    backups: tuple[str, ...]
    look: bool
    overtaken: bool
    attempts: int
    due_at: datetime
    first_sent_at: datetime | None
    written_at: datetime
    # When the leg's start went out, or may have; None when it certainly did not.
    started_at: datetime | None = None

    def to_wire(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        typed = {
            "token": str(record["token"]),
            "kind": Kind(record["kind"]),
            "backups": tuple(record["backups"]),
        }
        return cls(**{**record, **typed})

    @classmethod
    def from_wire(cls, record: dict[str, Any]) -> Self:
        times = {
            name: datetime.fromisoformat(record[name])
            for name in _TIMES
            if record[name] is not None
        }
        return cls.from_record({**record, **times})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call made for a delivery."""

    at: datetime
    operation: str
    outcome: str
    cause: str
    http_status: int | None
    code: str | None
    detail: str | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Opened:
    """What a table told of the round it opened."""

    external_round_id: str
    bet_period: int | None
    bet_stop_at: datetime | None
    auto_bet_stop: bool


@dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of a leased delivery; written only while the lease is still held."""

    lease: Lease
    state: str
    at: datetime
    outcome: str | None = None
    cause: str | None = None
    code: str | None = None
    detail: str | None = None
    due_at: datetime | None = None
    look: bool = False
    opened: Opened | None = None
    served_by: str | None = None
    first_sent_at: datetime | None = None
    alert: bool = False
    cancel_late: bool = False
    attempts: tuple[Attempt, ...] = field(default=())

    @property
    def calls(self) -> int:
        """Calls that may have changed the table; looking does not count."""
        return sum(attempt.operation not in ("get", "sessions") for attempt in self.attempts)
