"""The ledger's invariants, watched from outside: at each effect, and when all has come to rest."""

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ledger.domain.budget import FLOOR, SHARE
from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from simulation.rows import Delivery, Leg
from simulation.tables import Effect

if TYPE_CHECKING:
    from simulation.world import World

MINUTE = timedelta(minutes=1)
SLOT = timedelta(seconds=1)
LATE_STOP = timedelta(milliseconds=250)
PROMPT = timedelta(seconds=1)


class ViolationError(Exception):
    """An invariant is broken; `number` is the ledger's for it."""

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"invariant {number}: {sentence}")
        self.number = number


class Observer:
    """Sees every call, effect and settlement of a world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.effects: dict[str, list[Effect]] = {}
        self._counted: set[tuple[tuple[str, str], str, str]] = set()
        self._results: dict[tuple[tuple[str, str], str], object] = {}
        self._calls: dict[tuple[str, str, str], deque[tuple[datetime, bool]]] = {}
        self._leases: set[str] = set()
        self.first: ViolationError | None = None

    def breaks(self, number: int, sentence: str) -> None:
        """Keep the first violation; what follows from it is not worth telling."""
        if self.first is None:
            self.first = ViolationError(number, sentence)
            if self._world.trace is not None:
                self._world.note("observer", f"INVARIANT {number}", sentence)

    def took_effect(self, effect: Effect) -> None:
        """Check what holds at the moment of an effect: 2, 4, 5 and 6."""
        world, kind = self._world, effect.kind
        world.count(f"effect_{kind}")
        if world.trace is not None:
            world.note(
                "table", effect.delivery, kind, f"EFFECT on {effect.round.id}", effect.before
            )
        what = f"{kind} of {effect.ours} at {'/'.join(effect.target)}"
        self.effects.setdefault(effect.ours, []).append(effect)
        if kind != "start" and effect.round.opened_by != effect.ours:
            self.breaks(4, f"{what} took effect on {effect.round.id} of {effect.round.opened_by}")
            return
        if kind == "result":
            key = (effect.target, effect.round.id)
            if self._results.setdefault(key, effect.result) != effect.result:
                self.breaks(6, f"{what}: {effect.result} after {self._results[key]}")
        once = (effect.target, effect.ours, kind)
        if once in self._counted:
            self.breaks(2, f"{what} took effect twice")
        self._counted.add(once)
        self._check_order(effect, what)
        self._check_late(effect)

    def _check_order(self, effect: Effect, what: str) -> None:
        kind, round_ = effect.kind, effect.round
        table = self._world.tables[effect.target]
        if effect.before in ("finished", "cancelled") and kind != "start":
            self.breaks(5, f"{what} took effect on a round that was {effect.before}")
        elif kind == "result" and effect.before == "opened" and not table.auto_bet_stop:
            leg = self._world.rows.deliveries[int(effect.delivery[1:])].leg
            stop = leg.deliveries.get(Kind.BET_STOP)
            # a table that refuses the bet-stop itself is asked to take the result all the same
            if stop is None or stop.state != "rejected":
                self.breaks(5, f"{what} took effect while bets were open")
        elif kind == "bet-stop" and round_.result is not None:
            self.breaks(5, f"{what} took effect after the result")
        elif kind == "finish" and round_.result is None:
            self.breaks(5, f"{what} took effect before any result")

    def _check_late(self, effect: Effect) -> None:
        delivery = self._world.rows.deliveries[int(effect.delivery[1:])]
        if effect.kind == "start" and effect.at > delivery.deadline_at:
            self._world.count("late_start")

    def called(self, replica: str, lease: Lease, operation: str, at: datetime) -> None:
        """Count calls against the budget (7), and see when a bet-stop went out (9)."""
        delivery = self._world.rows.deliveries[int(lease.id[1:])]
        if operation == "start" and at - delivery.deadline_at > LATE_STOP:
            self.breaks(3, f"start {delivery.id} was sent {at - delivery.deadline_at} too late")
        if delivery.first_call_at is None:
            delivery.first_call_at = at
        calls = self._calls.setdefault((replica, lease.environment, lease.served_by), deque())
        again = operation != "get" and (lease.attempts > 0 or lease.token in self._leases)
        if operation != "get":
            self._leases.add(lease.token)
        calls.append((at, again))
        # the budget counts by slots of a second, so what it lets through is seen a little closer
        while at - calls[0][0] >= MINUTE + SLOT:
            calls.popleft()
        if again and len(calls) > FLOOR:
            retries = sum(each and at - when < MINUTE - SLOT for when, each in calls)
            if retries > max(FLOOR, SHARE * sum(not each for _, each in calls)):
                self.breaks(7, f"{replica} made {retries} retries at {lease.served_by} in a minute")

    def crowded(self, lease: Lease, other: str) -> None:
        self.breaks(5, f"{lease.kind} {lease.id} was sent while {other} was in flight")

    def settled(self, delivery: Delivery) -> None:
        """Check a settlement when it is written: 8, 9 and 10."""
        if delivery.calls == 0 and delivery.code is None:
            self.breaks(8, f"{delivery.kind} {delivery.id} was settled without attempt or decision")
        if delivery.timer and delivery.kind is Kind.BET_STOP:
            self._check_stop(delivery)
        leg = delivery.leg
        if leg.place.environment == self._world.calm and delivery.kind is not Kind.CANCEL:
            self._check_prompt(delivery)

    def _check_stop(self, delivery: Delivery) -> None:
        at = delivery.first_call_at
        environment = delivery.leg.place.environment
        due = max(delivery.due_at, delivery.created_at)
        # That it was late is no reason why: here replicas are there, and only trouble delays them.
        if at is None or delivery.trouble or delivery.code not in (None, "late_bet_stop"):
            return
        if at - due > LATE_STOP and not self._world.disturbed(environment, delivery.created_at):
            self.breaks(9, f"bet-stop {delivery.id} was sent {at - due} late and says not why")

    def _check_prompt(self, delivery: Delivery) -> None:
        """Nothing disturbs the calm environment, so nothing of it may take long."""
        at = delivery.first_call_at
        due = max(delivery.due_at, delivery.created_at)
        if at is None or delivery.trouble or not delivery.live:
            return
        if at - due > PROMPT and delivery.kind in (Kind.START, Kind.RESULT):
            self.breaks(10, f"{delivery.kind} {delivery.id} waited {at - due} for others")

    def check_rest(self) -> None:
        """Check what must hold when all is healed and hours have passed: 1, 3 and 8."""
        for delivery in self._world.rows.deliveries:
            if delivery.unsettled:
                self.breaks(8, f"{delivery.kind} {delivery.id} is {delivery.state} for ever")
        for round_ in self._world.rows.rounds.values():
            if round_.state not in ("finished", "cancelled"):
                self.breaks(8, f"round {round_.id} never ended")
            for leg in round_.legs:
                self._check_leg(leg)

    def _check_leg(self, leg: Leg) -> None:
        codes = (leg.place.game_code, *leg.place.backups)
        done = {
            e.kind: e
            for e in self.effects.get(leg.round.id, ())
            if e.target[0] == leg.place.environment and e.target[1] in codes
        }
        start = leg.deliveries[Kind.START]
        what = f"{leg.round.id} at {'/'.join(leg.target)}"
        alerted = any(f"{leg.target}" in alert for alert in leg.round.alerts)
        told = any(
            d.state in ("rejected", "expired") and d.kind not in (Kind.START, Kind.BET_STOP)
            for d in leg.deliveries.values()
        )
        if "start" in done and not alerted and not told:
            late = done["start"].at > start.deadline_at
            opened = done["start"].round
            if opened.status not in ("finished", "cancelled"):
                self.breaks(3 if late else 1, f"{what} was left {opened.status} without an alert")
        self._check_result(leg, done, what, alerted=alerted)
        for kind in (Kind.START, Kind.FINISH, Kind.CANCEL):
            delivery = leg.deliveries.get(kind)
            if delivery is not None and delivery.state == "accepted" and kind.value not in done:
                self.breaks(8, f"the {kind} of {what} is accepted, but never took effect")
        for kind, delivery in leg.deliveries.items():
            if delivery.state == "rejected" and kind.value in done and not alerted:
                self.breaks(
                    8, f"the {kind} of {what} is rejected ({delivery.code}), but took effect"
                )

    def _check_result(self, leg: Leg, done: dict[str, Effect], what: str, *, alerted: bool) -> None:
        result, cancel = leg.deliveries.get(Kind.RESULT), leg.deliveries.get(Kind.CANCEL)
        if result is not None and result.state == "accepted" and "result" not in done:
            self.breaks(1, f"the result of {what} is accepted, but never took effect")
        if not leg.round.answered or "start" not in done or "result" in done:
            return
        told = result is not None and result.state in ("rejected", "expired")
        if not (told or alerted or cancel is not None or leg.round.state == "cancelled"):
            self.breaks(1, f"the result of {what} vanished: the leg started, and says nothing")
