"""The replicas' side of the simulated ledger: claims, times due, settlements, as in the SQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ledger.domain.commands import Kind
from ledger.domain.deliveries import SETTLED, Lease, Settlement
from ledger.store.deliveries import Settled
from simulation.ledgerstore import DAY, Rows
from simulation.rows import Delivery, Leg

_AFTER = {Kind.RESULT: "dealt", Kind.FINISH: "finished", Kind.CANCEL: "cancelled"}


def claim(rows: Rows, environment: str, *, limit: int, lease: timedelta) -> list[Lease]:
    _expire(rows, environment)
    now = rows.now()
    ready: dict[str, Delivery] = {}
    for delivery in rows.unsettled.get(environment, {}).values():
        if _due_at(delivery) > now or _waits(rows, delivery):
            continue
        code = delivery.leg.place.game_code
        first = ready.get(code)
        if first is None or delivery.rank > first.rank:
            ready[code] = delivery
    chosen = sorted(ready.values(), key=lambda d: (d.attempts > 0, d.due_at))[:limit]
    return [_take(rows, delivery, lease) for delivery in chosen]


def next_due(rows: Rows, environment: str) -> datetime | None:
    moments = []
    for delivery in rows.unsettled.get(environment, {}).values():
        if delivery.state == "sending" or not _waits(rows, delivery):
            moments.append(_due_at(delivery))
        elif delivery.state == "pending" and not delivery.look:
            moments.append(delivery.deadline_at)
    return min(moments, default=None)


def settle(rows: Rows, settlements: Sequence[Settlement]) -> list[Settled]:
    """Write what came, where the lease is still held; then end rounds with nothing left to do."""
    settled = []
    for settlement in sorted(settlements, key=lambda s: s.lease.id):
        delivery = rows.deliveries[int(settlement.lease.id[1:])]
        delivery.calls += len(settlement.attempts)
        held = delivery.state == "sending" and delivery.token == settlement.lease.token
        if not held and rows.safe.fencing:
            delivery.fenced += 1
            continue
        settled.append(_settle(rows, delivery, settlement))
    rows.conclude(sorted({s.round_id for s in settled if _may_conclude(s)}))
    return settled


def _expire(rows: Rows, environment: str) -> None:
    """Settle what was never sent and can't be begun in time any more."""
    now = rows.now()
    late = [
        d
        for d in rows.unsettled.get(environment, {}).values()
        if d.deadline_at <= now and d.state == "pending" and not d.look
    ]
    for delivery in late:
        leg, kind = delivery.leg, delivery.kind
        if kind is Kind.START and leg.state == "pending":
            leg.state = "failed"
        elif kind in _AFTER:
            leg.round.alerts.append(f"{kind} {leg.target} deadline")
        rows.close(delivery, "expired", "deadline")
    rows.conclude(sorted({d.leg.round.id for d in late}))


def _due_at(delivery: Delivery) -> datetime:
    if delivery.state == "sending":
        assert delivery.lease_until is not None
        return delivery.lease_until
    hastened = delivery.scheduled and delivery.kind is Kind.BET_STOP
    if hastened and Kind.RESULT in delivery.leg.deliveries:
        return delivery.created_at
    return delivery.due_at


def _waits(rows: Rows, delivery: Delivery) -> bool:
    kind, round_, order = delivery.kind, delivery.leg.round, rows.safe.order
    for other in rows.waiting[delivery.leg.target]:
        if other is delivery:
            continue
        if other.state == "sending" and rows.safe.one_in_flight:
            return True
        if not order or kind is Kind.CANCEL:
            continue
        if other.leg.round is round_:
            if other.rank < delivery.rank:
                return True
        elif kind is Kind.START and other.seq < delivery.seq:
            return True
    return False


def _take(rows: Rows, delivery: Delivery, lease: timedelta) -> Lease:
    deliveries = delivery.leg.deliveries
    doubtful = delivery.state != "pending" or (
        delivery.kind is not Kind.RESULT
        and any(
            e.rank < delivery.rank and e.state != "accepted" and not e.scheduled
            for e in deliveries.values()
        )
    )
    cancel = deliveries.get(Kind.CANCEL)
    if delivery.state == "sending":
        delivery.trouble = True
    rows.take(delivery, lease)
    delivery.look = delivery.look or doubtful
    return rows.lease(delivery, overtaken=cancel is not None and delivery.rank < cancel.rank)


def _settle(rows: Rows, delivery: Delivery, settlement: Settlement) -> Settled:
    leg = delivery.leg
    followed = any(e is not delivery for e in rows.waiting[leg.target])
    delivery.outcome, delivery.cause = settlement.outcome, settlement.cause
    delivery.due_at = settlement.due_at or delivery.due_at
    delivery.look = settlement.look
    delivery.attempts += settlement.calls
    delivery.first_sent_at = delivery.first_sent_at or settlement.first_sent_at
    if settlement.alert:
        leg.round.alerts.append(f"{delivery.kind} {leg.target} {settlement.code}")
    if settlement.state in SETTLED:
        rows.close(delivery, settlement.state, settlement.code)
        _follow(rows, delivery, settlement)
    else:
        if delivery.settled_at is not None:
            rows.reopen(delivery)
        delivery.state, delivery.code = settlement.state, settlement.code
        delivery.token = delivery.lease_until = None
        delivery.trouble = True
    return Settled(
        id=delivery.id,
        command_id=delivery.command_id,
        round_id=leg.round.id,
        kind=delivery.kind,
        state=delivery.state,
        followed=followed,
    )


def _follow(rows: Rows, delivery: Delivery, settlement: Settlement) -> None:
    """Write what follows from a settlement: the leg's state, its timers, what became pointless."""
    leg, kind, accepted = delivery.leg, delivery.kind, settlement.state == "accepted"
    if accepted or (kind is Kind.START and leg.state == "pending"):
        _move(leg, delivery, settlement)
    came, opened = settlement.at, settlement.opened
    if kind is Kind.START and accepted and opened is not None and opened.bet_stop_at is not None:
        stops_itself = leg.place.bet_stop == "auto" and opened.auto_bet_stop
        if not stops_itself or Kind.RESULT in leg.deliveries:
            due, command = opened.bet_stop_at, delivery.command_id
            rows.add(leg, Kind.BET_STOP, command, due_at=due, deadline=DAY, scheduled=True)
    if kind is Kind.START and not accepted:
        _drop(rows, leg)
    if kind is Kind.RESULT and accepted:
        finish_at = came + leg.place.deal_to_finish
        finish = leg.deliveries.get(Kind.FINISH)
        if finish is not None and finish.state == "pending":
            finish.due_at = max(finish.due_at, finish_at)
        if leg.place.finish_policy == "auto":
            command = delivery.command_id
            rows.add(leg, Kind.FINISH, command, due_at=finish_at, deadline=DAY, scheduled=True)
    if settlement.cancel_late:
        rows.add(leg, Kind.CANCEL, delivery.command_id, due_at=rows.now(), deadline=DAY, look=True)


def _drop(rows: Rows, leg: Leg) -> None:
    """Give up what was to follow a start that opened nothing."""
    for other in list(leg.deliveries.values()):
        if other.state in ("pending", "unknown") and other.kind is not Kind.CANCEL:
            rows.close(other, "superseded", "not_started")


def _move(leg: Leg, delivery: Delivery, settlement: Settlement) -> None:
    kind, opened = delivery.kind, settlement.opened
    if kind is Kind.START:
        leg.state = "opened" if settlement.state == "accepted" else "failed"
    elif kind is Kind.BET_STOP:
        leg.state = "bet_stopped" if leg.state == "opened" else leg.state
    else:
        leg.state = _AFTER[kind]
    if opened is not None:
        leg.external_round_id = opened.external_round_id or leg.external_round_id
        leg.bet_stop_at = opened.bet_stop_at or leg.bet_stop_at
        leg.auto_bet_stop = opened.auto_bet_stop
    if kind is Kind.RESULT:
        leg.dealt_at = settlement.at


def _may_conclude(settled: Settled) -> bool:
    barren = settled.kind is Kind.START and settled.state in SETTLED - {"accepted"}
    return barren or (settled.kind in (Kind.FINISH, Kind.CANCEL) and settled.state == "accepted")


def switch(rows: Rows, lease: Lease, served_by: str) -> Lease | None:
    """Hand a leg to a backup; None when the lease is lost."""
    delivery = rows.deliveries[int(lease.id[1:])]
    held = delivery.state == "sending" and delivery.token == lease.token
    if not held or delivery.lease_until is None or delivery.lease_until <= rows.now():
        return None
    delivery.leg.known_round_id = rows.known_round(lease.environment, served_by)
    delivery.leg.served_by = served_by
    return replace(lease, served_by=served_by, known_round_id=delivery.leg.known_round_id)


def waited_for(rows: Rows, environment: str) -> set[str]:
    return {d.leg.served_by for d in rows.unsettled[environment].values() if not d.scheduled}


def hasten(rows: Rows, target: tuple[str, str]) -> None:
    environment, code = target
    for delivery in rows.unsettled[environment].values():
        if delivery.leg.served_by != code:
            continue
        late = delivery.state in ("pending", "unknown") and not delivery.scheduled
        if late and delivery.outcome is not None:
            delivery.due_at = rows.now()
