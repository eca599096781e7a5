"""The simulated ledger: rounds, legs and deliveries in memory, under the rules of the SQL."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from ledger.domain.commands import Kind
from ledger.domain.deliveries import Lease
from simulation.rows import Delivery, Leg, Place, Round
from simulation.safeguards import Safeguards

RANK = {kind: kind.rank for kind in Kind}
DAY = timedelta(hours=24)

Target = tuple[str, str]


class Rows:
    """What is written, and how it is found again."""

    def __init__(self, now: Callable[[], datetime], safeguards: Safeguards) -> None:
        self.now = now
        self.safe = safeguards
        self.rounds: dict[str, Round] = {}
        self.open: dict[str, Round] = {}
        self.deliveries: list[Delivery] = []
        self.unsettled: dict[str, dict[int, Delivery]] = {}
        self.waiting: dict[Target, list[Delivery]] = {}
        self.legs: dict[str, list[Leg]] = {}
        self.on_settled: Callable[[Delivery], None] = lambda _: None
        self.tokens = 0

    def add_leg(self, round_: Round, place: Place) -> Leg:
        leg = Leg(round_, place, place.game_code)
        leg.known_round_id = self.known_round(place.environment, leg.served_by)
        known = self.legs.setdefault(place.environment, [])
        leg.number = len(known)
        known.append(leg)
        round_.legs.append(leg)
        return leg

    def _known_to(self, leg: Leg) -> str | None:
        """Give the round before a leg's own: what earlier legs owed is settled when it is sent."""
        if not self.safe.known:
            return leg.known_round_id
        return self.known_round(leg.place.environment, leg.served_by, before=leg)

    def known_round(
        self, environment: str, served_by: str, before: Leg | None = None
    ) -> str | None:
        """Give the last round that any leg had at a table."""
        legs = self.legs.get(environment, [])
        for leg in reversed(legs if before is None else legs[: before.number]):
            if leg.served_by == served_by and leg.external_round_id is not None:
                return leg.external_round_id
        return None

    def add(
        self,
        leg: Leg,
        kind: Kind,
        command: str,
        *,
        due_at: datetime,
        deadline: timedelta,
        body: dict[str, object] | None = None,
        scheduled: bool = False,
        look: bool = False,
    ) -> Delivery | None:
        """Write a delivery; None where the leg has one of this kind."""
        if kind in leg.deliveries and (self.safe.one_result or kind is not Kind.RESULT):
            return None
        now = self.now()
        seq = len(self.deliveries)
        delivery = Delivery(
            id=f"d{seq:04d}",
            seq=seq,
            command_id=command,
            leg=leg,
            kind=kind,
            rank=RANK[kind],
            body=body or {},
            state="pending",
            due_at=due_at,
            deadline_at=(due_at if scheduled else now) + deadline,
            created_at=now,
            scheduled=scheduled,
            timer=scheduled,
            look=look,
        )
        self.deliveries.append(delivery)
        leg.deliveries[kind] = delivery
        self.unsettled.setdefault(leg.place.environment, {})[seq] = delivery
        self.waiting.setdefault(leg.target, []).append(delivery)
        return delivery

    def take(self, delivery: Delivery, lease: timedelta) -> None:
        self.tokens += 1
        delivery.state = "sending"
        delivery.token = f"t{self.tokens}"
        delivery.lease_until = self.now() + lease
        delivery.scheduled = False
        delivery.live = delivery.created_at == self.now()

    def close(self, delivery: Delivery, state: str, code: str | None) -> None:
        """Settle a delivery for good."""
        delivery.state = state
        delivery.code = code
        delivery.token = delivery.lease_until = None
        if delivery.settled_at is None:
            delivery.settled_at = self.now()
            del self.unsettled[delivery.leg.place.environment][delivery.seq]
            self.waiting[delivery.leg.target].remove(delivery)
        self.on_settled(delivery)

    def reopen(self, delivery: Delivery) -> None:
        """Undo a settlement: what only a store without a fence does."""
        delivery.settled_at = None
        self.unsettled[delivery.leg.place.environment][delivery.seq] = delivery
        self.waiting[delivery.leg.target].append(delivery)

    def busy(self, target: Target) -> bool:
        """Say whether a command is in flight on the target."""
        if not self.safe.one_in_flight:
            return False
        return any(e.state == "sending" for e in self.waiting.get(target, ()))

    def lease(self, delivery: Delivery, *, overtaken: bool = False) -> Lease:
        leg, place = delivery.leg, delivery.leg.place
        assert delivery.token is not None
        assert delivery.lease_until is not None
        until, deadline = delivery.lease_until, delivery.deadline_at
        if not self.safe.leases:
            until += timedelta(seconds=4)
        if not self.safe.deadline and delivery.kind is Kind.START:
            deadline += DAY
        return Lease(
            id=delivery.id,
            token=delivery.token,
            lease_until=until,
            deadline_at=deadline,
            command_id=delivery.command_id,
            round_id=leg.round.id,
            table_id=leg.round.table_id,
            environment=place.environment,
            game_code=place.game_code,
            served_by=leg.served_by,
            config_version=1,
            kind=delivery.kind,
            body=delivery.body,
            leg_state=leg.state,
            required=place.required,
            external_round_id=leg.external_round_id,
            known_round_id=self._known_to(leg),
            bet_stop=place.bet_stop,
            timecode_offset_ms=0,
            backups=place.backups,
            look=self._looks(delivery),
            overtaken=overtaken,
            attempts=delivery.attempts,
            due_at=delivery.due_at,
            first_sent_at=delivery.first_sent_at,
            written_at=delivery.created_at,
            started_at=self._started_at(leg),
        )

    def _looks(self, delivery: Delivery) -> bool:
        if not self.safe.guard and delivery.kind in (Kind.BET_STOP, Kind.FINISH, Kind.CANCEL):
            return False
        return delivery.look and self.safe.look

    def _started_at(self, leg: Leg) -> datetime | None:
        """Say when the leg's start went out, or may have."""
        start = leg.deliveries[Kind.START]
        maybe = start.look or start.state == "sending" or not self.safe.unsent
        return start.first_sent_at or (start.created_at if maybe else None)

    def conclude(self, round_ids: Iterable[str]) -> None:
        """End rounds of which nothing opened, or whose legs have all finished by themselves."""
        for round_ in (self.rounds[each] for each in round_ids):
            states = {leg.state for leg in round_.legs}
            if round_.state == "open" and states <= {"failed", "cancelled"}:
                self.end(round_, "cancelled")
            elif round_.state == "dealt" and states <= {"failed", "finished"}:
                self.end(round_, "finished")

    def end(self, round_: Round, state: str) -> None:
        round_.state = state
        if self.open.get(round_.table_id) is round_:
            del self.open[round_.table_id]
