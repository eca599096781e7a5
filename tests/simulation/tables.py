"""The simulated Table API: one table a target, its round, and what took effect on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from ledger.domain.deliveries import Lease
from ledger.domain.outcomes import Answer

OVER = ("finished", "cancelled")
_JSON = "application/json"


@dataclass(slots=True, eq=False)
class TableRound:
    """A round as the table keeps it, and whose start opened it."""

    id: str
    opened_by: str
    created_at: datetime
    bet_stop_at: datetime
    status: str = "opened"
    result: dict[str, object] | None = None
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that took effect: whose command, on which round, how that stood before."""

    at: datetime
    target: tuple[str, str]
    kind: str
    delivery: str
    ours: str
    round: TableRound
    before: str
    result: dict[str, object] | None


class Refusal(Exception):  # noqa: N818 - a refusal is an answer like any other
    """The table says no."""

    def __init__(self, code: int, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True, eq=False)
class Table:
    """One game code; `lenient` tables take what a stricter one would refuse."""

    target: tuple[str, str]
    bet_period: int
    auto_bet_stop: bool
    lenient: bool
    skew: timedelta
    now: Callable[[], datetime]
    on_effect: Callable[[Effect], None]
    paused: str | None = None
    starts: int = 0
    in_flight: str | None = None
    round: TableRound | None = None
    rounds: list[TableRound] = field(default_factory=list)

    def answer(self, operation: str, lease: Lease) -> Answer:
        try:
            if operation != "get":
                self._carry_out(operation, lease)
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message}
            body = orjson.dumps({"error": error, "data": None})
            return Answer(refusal.status, _JSON, body, None)
        return Answer(200, _JSON, self._render(), None)

    def _carry_out(self, operation: str, lease: Lease) -> None:
        self.tick()
        before = self.round.status if self.round else "none"
        result = None
        if operation == "start":
            self._start(lease)
        elif operation == "bet-stop":
            self._stop_bets()
        elif operation == "deal":
            result = lease.body
            if not self._deal(lease):
                return
        else:
            self._end(operation)
        current = self.current()
        self.on_effect(
            Effect(
                self.now(),
                self.target,
                "result" if operation == "deal" else operation,
                lease.id,
                lease.round_id,
                current,
                before,
                result,
            )
        )

    def tick(self) -> None:
        """Stop the bets where the table does so by itself, at its own time."""
        current = self.round
        if current is None or current.status != "opened" or not self.auto_bet_stop:
            return
        if self.now() + self.skew >= current.bet_stop_at:
            current.status = "bet-stopped"
            current.stopped_at = self.now()

    def current(self) -> TableRound:
        if self.round is None:
            raise Refusal(13004, "no round was started on this table", 400)
        return self.round

    def _alive(self) -> TableRound:
        current = self.current()
        if current.status in OVER:
            raise Refusal(13005, f"the round is {current.status}", 400)
        return current

    def _start(self, lease: Lease) -> None:
        if self.round is not None and self.round.status not in OVER:
            raise Refusal(13003, "the previous round is not finished")
        if self.paused is not None:
            raise Refusal(13007, f"table paused due to: {self.paused}")
        created = self.now() + self.skew
        stop = created + timedelta(seconds=self.bet_period)
        name = f"{self.target[1]}-{len(self.rounds)}"
        self.round = TableRound(name, lease.round_id, created, stop)
        self.rounds.append(self.round)

    def _stop_bets(self) -> None:
        current = self._alive()
        if current.status != "opened":
            raise Refusal(13006, "bets are not open", 400)
        current.status = "bet-stopped"
        current.stopped_at = self.now()

    def _deal(self, lease: Lease) -> bool:
        """Take the result; the same one again changes nothing."""
        if self.current().id != lease.external_round_id:
            raise Refusal(13008, "the current round is another", 400)
        current = self._alive()
        if current.result == lease.body:
            return False
        if current.result is not None and not self.lenient:
            raise Refusal(13011, "another result was dealt to this round", 400)
        if current.status == "opened" and not self.lenient:
            raise Refusal(13010, "bets are still open", 400)
        current.result = lease.body
        return True

    def _end(self, operation: str) -> None:
        current = self._alive()
        if operation == "finish" and current.result is None and not self.lenient:
            raise Refusal(13012, "no result was dealt to this round", 400)
        current.status = "finished" if operation == "finish" else "cancelled"

    def _render(self) -> bytes:
        self.tick()
        current = self.round
        pause = None if self.paused is None else {"reason": self.paused, "createdBy": "staff"}
        table = {
            "gameCode": self.target[1],
            "gameType": "roulette",
            "visibility": "visible",
            "betPeriod": self.bet_period,
            "autoBetStop": self.auto_bet_stop,
            "pause": pause,
            "tableRound": None
            if current is None
            else {
                "roundId": current.id,
                "gameCode": self.target[1],
                "status": current.status,
                "betStopTime": current.bet_stop_at,
                "createdAt": current.created_at,
                "result": current.result,
            },
        }
        return orjson.dumps({"error": None, "data": {"table": table}})
