"""The gateways' side of the simulated ledger: START, ADVANCE and RELEASE, as the SQL has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from simulation.ledgerstore import DAY, RANK, Rows
from simulation.rows import Delivery, Leg, Place, Round

_BEFORE = {
    Kind.BET_STOP: ("open",),
    Kind.RESULT: ("open",),
    Kind.FINISH: ("dealt",),
    Kind.CANCEL: ("open", "dealt"),
}
_AFTER = {Kind.RESULT: "dealt", Kind.FINISH: "finished", Kind.CANCEL: "cancelled"}
_LEGS = {
    Kind.BET_STOP: ("pending", "opened"),
    Kind.RESULT: ("pending", "opened", "bet_stopped"),
    Kind.CANCEL: ("pending", "opened", "bet_stopped", "dealt"),
}


class RoundOpenError(Exception):
    """The table has an open round (the index rounds_one_open)."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a command left: leases to carry out now, environments with work to wait for."""

    round: Round
    leases: tuple[Lease, ...]
    waiting: frozenset[str]


def start(
    rows: Rows,
    command: str,
    table: str,
    places: Sequence[Place],
    *,
    deadline: timedelta,
    lease: timedelta,
) -> Written:
    if table in rows.open:
        raise RoundOpenError(rows.open[table].id)
    round_ = Round(id=f"r{len(rows.rounds):04d}", table_id=table)
    round_.commands[Kind.START] = command
    rows.rounds[round_.id] = rows.open[table] = round_
    written = []
    for place in places:
        leg = rows.add_leg(round_, place)
        others = rows.waiting.get(leg.target)
        busy = bool(others) if rows.safe.order else rows.busy(leg.target)
        delivery = rows.add(leg, Kind.START, command, due_at=rows.now(), deadline=deadline)
        assert delivery is not None
        if not busy:
            rows.take(delivery, lease)
        written.append(delivery)
    return _written(rows, round_, written)


def advance(
    rows: Rows,
    command: str,
    round_: Round,
    kind: Kind,
    *,
    lease: timedelta,
    body: dict[str, object] | None = None,
) -> Written | None:
    """Write a round's next command; None when its state does not take it."""
    again = kind is Kind.RESULT and not rows.safe.one_result and round_.state == "dealt"
    if not again and (round_.state not in _BEFORE[kind] or kind in round_.commands):
        return None
    if kind is Kind.FINISH and not any(map(_deals, round_.legs)):
        return None
    before = [(leg, _Seen(rows, leg, kind)) for leg in round_.legs if _meant(leg, kind, again)]
    if kind is not Kind.BET_STOP:
        round_.commands[kind] = command
    if kind is Kind.RESULT:
        round_.result = body
    if kind in (Kind.FINISH, Kind.CANCEL):
        rows.end(round_, _AFTER[kind])
    elif kind is Kind.RESULT:
        round_.state = "dealt"
    if kind is Kind.CANCEL:
        _overtake(rows, round_)
    written = []
    for leg, seen in before:
        written += _write(rows, leg, seen, kind, command=command, lease=lease, body=body)
    return _written(rows, round_, written)


def _overtake(rows: Rows, round_: Round) -> None:
    """Drop what a cancel makes pointless."""
    for leg in round_.legs:
        for other in list(leg.deliveries.values()):
            if other.state in ("pending", "unknown") and other.kind is not Kind.CANCEL:
                rows.close(other, "superseded", "cancelled")


class _Seen:
    """What a statement sees of a leg before anything of it is written."""

    def __init__(self, rows: Rows, leg: Leg, kind: Kind) -> None:
        now = rows.now()
        others = rows.waiting.get(leg.target, ())
        stop = leg.deliveries.get(Kind.BET_STOP)
        stopped_itself = (
            leg.auto_bet_stop and leg.bet_stop_at is not None and leg.bet_stop_at <= now
        )
        self.in_flight = rows.busy(leg.target)
        self.waits = rows.safe.order and any(
            e.kind is not kind and (e.leg.round is not leg.round or e.rank < RANK[kind])
            for e in others
        )
        self.betting = (
            rows.safe.order
            and leg.state == "opened"
            and (stop is None or stop.state == "pending")
            and not stopped_itself
        )
        self.doubtful = any(
            e.kind is not kind and e.state != "accepted" and not e.scheduled
            for e in leg.deliveries.values()
        )
        self.due_at = now
        if kind is Kind.FINISH and leg.dealt_at is not None:
            self.due_at = max(now, leg.dealt_at + leg.place.deal_to_finish)
        self.busy = (
            self.in_flight
            or {
                Kind.BET_STOP: self.waits,
                Kind.RESULT: self.waits or self.betting,
                Kind.FINISH: self.waits or leg.state != "dealt" or self.due_at > now,
                Kind.CANCEL: False,
            }[kind]
        )


def _write(
    rows: Rows,
    leg: Leg,
    seen: _Seen,
    kind: Kind,
    *,
    command: str,
    lease: timedelta,
    body: dict[str, object] | None,
) -> list[Delivery]:
    written = []
    if kind is Kind.RESULT and seen.betting:
        held = None if seen.in_flight else lease
        stop = _put(rows, leg, Kind.BET_STOP, command=command, due_at=rows.now(), lease=held)
        written += [stop] if stop else []
    look = seen.doubtful and kind is not Kind.RESULT and not seen.busy
    held = None if seen.busy else lease
    delivery = _put(
        rows, leg, kind, command=command, due_at=seen.due_at, lease=held, body=body, look=look
    )
    return [*written, delivery] if delivery else written


def _put(
    rows: Rows,
    leg: Leg,
    kind: Kind,
    *,
    command: str,
    due_at: datetime,
    lease: timedelta | None,
    body: dict[str, object] | None = None,
    look: bool = False,
) -> Delivery | None:
    """Write a delivery, or make the one that waits for its time a delivery of this command."""
    delivery = rows.add(leg, kind, command, due_at=due_at, deadline=DAY, body=body, look=look)
    if delivery is None:
        delivery = leg.deliveries[kind]
        if delivery.state != "pending":
            return None
        delivery.command_id, delivery.due_at, delivery.scheduled = command, due_at, False
    if lease is not None:
        rows.take(delivery, lease)
    return delivery


def release(rows: Rows, leases: Sequence[Lease]) -> None:
    """Give leases back of which nothing was sent."""
    for lease in leases:
        delivery = rows.deliveries[int(lease.id[1:])]
        if delivery.state == "sending" and delivery.token == lease.token:
            delivery.state, delivery.due_at = "pending", rows.now()
            delivery.token = delivery.lease_until = None
            delivery.outcome = "not_sent"
            delivery.trouble = True


def _deals(leg: Leg) -> bool:
    result = leg.deliveries.get(Kind.RESULT)
    return result is not None and (result.unsettled or result.state == "accepted")


def _meant(leg: Leg, kind: Kind, again: bool) -> bool:
    if kind is Kind.FINISH:
        return _deals(leg)
    return leg.state in _LEGS[kind] or again


def _written(rows: Rows, round_: Round, deliveries: Sequence[Delivery]) -> Written:
    return Written(
        round=round_,
        leases=tuple(rows.lease(d) for d in deliveries if d.state == "sending"),
        waiting=frozenset(d.leg.place.environment for d in deliveries if d.state == "pending"),
    )
