"""A round's history: its events in order, and the round as they tell it at any moment."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, cast

from ledger.domain.commands import Kind
from ledger.domain.rounds import UNSETTLED, Last, Leg, Round

Data = Mapping[str, object]

# Times are shown in milliseconds: a moment covers the whole of its own.
_MOMENT: Final = timedelta(milliseconds=1)
_ABOUT_THE_COMMAND: Final = frozenset({"command", "actor", "legs", "reason"})


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, sealed into its round's chain."""

    number: int
    at: datetime
    type: str
    data: Data
    prev_hash: bytes | None
    hash: bytes


@dataclass(slots=True)
class _Leg:
    """A leg while the events are gone through; the last delivery of each kind by its rank."""

    environment: str
    game_code: str
    required: bool
    served_by: str
    state: str = "pending"
    external_round_id: str | None = None
    bet_period: int | None = None
    bet_stop_at: datetime | None = None
    auto_bet_stop: bool | None = None
    opened_at: datetime | None = None
    deliveries: dict[Kind, Last] = field(default_factory=dict)

    def shown(self) -> Leg:
        last = max(self.deliveries, key=lambda kind: kind.rank, default=None)
        return Leg(
            environment=self.environment,
            game_code=self.game_code,
            served_by=self.served_by,
            required=self.required,
            state=self.state,
            external_round_id=self.external_round_id,
            bet_period=self.bet_period,
            bet_stop_at=self.bet_stop_at,
            auto_bet_stop=self.auto_bet_stop,
            opened_at=self.opened_at,
            last=self.deliveries[last] if last is not None else None,
        )


@dataclass(slots=True)
class _Round:
    """The round while the events are gone through."""

    type: str = ""
    state: str = "open"
    result: dict[str, object] | None = None
    started_at: datetime | None = None
    last_command: str = ""
    legs: dict[tuple[str, str], _Leg] = field(default_factory=dict)

    def leg(self, data: Data) -> _Leg | None:
        return self.legs.get((str(data.get("environment")), str(data.get("game_code"))))


def replay(
    round_id: str, table: str, events: Iterable[Event], at: datetime | None = None
) -> Round | None:
    """Rebuild the round from its events up to a moment; None when it had not begun by then."""
    told = _Round()
    for event in events:
        if at is not None and event.at >= at + _MOMENT:
            continue
        step = _STEPS.get(event.type)
        if step is not None:
            step(told, event)
    if told.started_at is None:
        return None
    return Round(
        id=round_id,
        table=table,
        type=told.type,
        state=told.state,
        result=told.result,
        started_at=told.started_at,
        last_command=told.last_command,
        legs=tuple(leg.shown() for leg in told.legs.values()),
    )


def _started(told: _Round, event: Event) -> None:
    told.type = str(event.data["type"])
    told.started_at = event.at
    told.last_command = str(event.data["command"])
    for one in cast("list[Data]", event.data["legs"]):
        leg = _Leg(
            environment=str(one["environment"]),
            game_code=str(one["game_code"]),
            required=bool(one["required"]),
            served_by=str(one["game_code"]),
        )
        leg.deliveries[Kind.START] = _addressed(Kind.START, told.last_command)
        told.legs[leg.environment, leg.game_code] = leg


def _command(kind: Kind, state: str | None) -> Callable[[_Round, Event], None]:
    def step(told: _Round, event: Event) -> None:
        told.state = state or told.state
        if kind is Kind.RESULT:
            told.result = {
                name: value for name, value in event.data.items() if name not in _ABOUT_THE_COMMAND
            }
        if "command" not in event.data:  # it ended by itself
            return
        told.last_command = str(event.data["command"])
        for one in cast("list[Data]", event.data["legs"]):
            leg = told.leg(one)
            if leg is not None:
                leg.deliveries[kind] = _addressed(kind, told.last_command)

    return step


def _delivered(told: _Round, event: Event) -> None:
    data = event.data
    leg = told.leg(data)
    if leg is None or data.get("scheduled"):
        return
    kind, state = Kind(str(data["kind"])), str(data["state"])
    before = leg.deliveries.get(kind)
    latency = cast("float | None", data.get("latency_ms"))
    leg.deliveries[kind] = Last(
        command=kind,
        command_id=str(data["command"]),
        state=state,
        outcome=_text(data, "outcome"),
        code=_text(data, "code"),
        detail=_text(data, "detail"),
        attempts=cast("int", data["attempts"]),
        latency_ms=latency if latency is not None else before.latency_ms if before else None,
        next_attempt_at=_time(data, "next_attempt_at"),
    )
    if state not in UNSETTLED and (
        state == "accepted" or (kind is Kind.START and leg.state == "pending")
    ):
        _move(leg, kind, state, data)
    if data.get("cancel_late"):
        leg.deliveries[Kind.CANCEL] = _addressed(Kind.CANCEL, str(data["command"]))


def _move(leg: _Leg, kind: Kind, state: str, data: Data) -> None:
    if kind is Kind.START:
        leg.state = "opened" if state == "accepted" else "failed"
        leg.opened_at = _time(data, "opened_at") or leg.opened_at
    elif kind is not Kind.BET_STOP or leg.state == "opened":
        leg.state = _STATES[kind]
    leg.external_round_id = _text(data, "external_round_id") or leg.external_round_id
    leg.served_by = _text(data, "served_by") or leg.served_by
    leg.bet_stop_at = _time(data, "bet_stop_at") or leg.bet_stop_at
    if "bet_period" in data:
        leg.bet_period = cast("int", data["bet_period"])
    if "auto_bet_stop" in data:
        leg.auto_bet_stop = bool(data["auto_bet_stop"])


def _failed_over(told: _Round, event: Event) -> None:
    leg = told.leg(event.data)
    if leg is not None:
        leg.served_by = str(event.data["served_by"])


def _retried(told: _Round, event: Event) -> None:
    leg = told.leg(event.data)
    if leg is None:
        return
    kind, state = Kind(str(event.data["kind"])), str(event.data["state"])
    _amend(leg, kind, state, event.data)
    if kind is Kind.START and leg.state == "failed":
        leg.state = "pending"


def _skipped(told: _Round, event: Event) -> None:
    leg = told.leg(event.data)
    if leg is None:
        return
    kind = Kind(str(event.data["kind"]))
    _amend(leg, kind, "skipped", event.data, code="skipped", detail=_text(event.data, "reason"))
    if kind is Kind.START and leg.state == "pending":
        leg.state = "failed"


def _cancelled_alone(told: _Round, event: Event) -> None:
    leg = told.leg(event.data)
    if leg is not None:
        leg.deliveries[Kind.CANCEL] = _addressed(Kind.CANCEL, str(event.data["command"]))


def _amend(
    leg: _Leg,
    kind: Kind,
    state: str,
    data: Data,
    *,
    code: str | None = None,
    detail: str | None = None,
) -> None:
    before = leg.deliveries.get(kind) or _addressed(kind, str(data["command"]))
    leg.deliveries[kind] = Last(
        command=kind,
        command_id=before.command_id,
        state=state,
        outcome=state if state == "skipped" else before.outcome,
        code=code or before.code,
        detail=detail or before.detail,
        attempts=before.attempts,
        latency_ms=before.latency_ms,
        next_attempt_at=None,
    )


def _addressed(kind: Kind, command: str) -> Last:
    return Last(kind, command, "pending", None, None, None, 0, None, None)


def _text(data: Data, name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value)


def _time(data: Data, name: str) -> datetime | None:
    value = data.get(name)
    return None if value is None else datetime.fromisoformat(str(value))


_STATES: Final = {
    Kind.BET_STOP: "bet_stopped",
    Kind.RESULT: "dealt",
    Kind.FINISH: "finished",
    Kind.CANCEL: "cancelled",
}
_STEPS: Final[Mapping[str, Callable[[_Round, Event], None]]] = {
    "round.started": _started,
    "round.bet_stopped": _command(Kind.BET_STOP, None),
    "round.result": _command(Kind.RESULT, "dealt"),
    "round.finished": _command(Kind.FINISH, "finished"),
    "round.cancelled": _command(Kind.CANCEL, "cancelled"),
    "delivery.deferred": _delivered,
    "delivery.settled": _delivered,
    "leg.failed_over": _failed_over,
    "leg.retried": _retried,
    "leg.skipped": _skipped,
    "leg.cancelled": _cancelled_alone,
}
