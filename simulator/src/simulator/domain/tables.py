"""One table and its round: the state machine of the Table API."""

from dataclasses import dataclass, field
from enum import StrEnum

from simulator.domain import baccarat, results
from simulator.domain.instants import render_compact
from simulator.domain.refusals import Code, RefusedError
from simulator.domain.results import Result
from simulator.domain.sessions import Sessions


class Status(StrEnum):
    """The statuses of a round on the wire."""

    UNKNOWN = "unknown"
    OPENED = "opened"
    BET_STOPPED = "bet-stopped"
    BET_TXN_STOPPED = "bet-txn-stopped"
    FINISHED = "finished"
    CANCELLED = "cancelled"


OVER = frozenset({Status.UNKNOWN, Status.FINISHED, Status.CANCELLED})


@dataclass(slots=True)
class Round:
    """The one round a table remembers: the newest."""

    round_id: str
    created_ms: int
    bet_stop_ms: int
    status: Status = Status.OPENED
    stopped_ms: int = 0
    field: str | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a table is paused, by whom and since when."""

    reason: str
    created_by: str
    created_ms: int


@dataclass(slots=True)
class Settings:
    """What the control API may set of a table."""

    bet_period_ms: int
    auto_bet_stop: bool = False
    game_type: str = "speed_roulette"
    slots: tuple[str, ...] = baccarat.SLOTS
    txn_stop_ms: int | None = None


@dataclass(slots=True)
class Table:
    """One game code of one environment."""

    environment: str
    code: str
    settings: Settings
    visibility: str = "visible"
    pause: Pause | None = None
    streams: object = field(default_factory=dict)
    sdp_config: object = field(default_factory=dict)
    round: Round | None = None
    sessions: Sessions = field(default_factory=Sessions)

    def settle(self, now_ms: int) -> bool:
        """Move the round as time alone moves it; true when the bets stopped by themselves."""
        current = self.round
        if current is None:
            return False
        stopped = False
        if (
            current.status is Status.OPENED
            and self.settings.auto_bet_stop
            and now_ms >= current.bet_stop_ms
        ):
            current.status = Status.BET_STOPPED
            current.stopped_ms = current.bet_stop_ms
            stopped = True
        wait_ms = self.settings.txn_stop_ms
        if (
            wait_ms is not None
            and current.status is Status.BET_STOPPED
            and now_ms >= current.stopped_ms + wait_ms
        ):
            current.status = Status.BET_TXN_STOPPED
        return stopped

    def start(self, now_ms: int, serial: int) -> Round:
        if self.round is not None and self.round.status not in OVER:
            raise RefusedError(
                Code.PREVIOUS_ROUND_OPEN, f"the previous round is {self.round.status}, not finished"
            )
        if self.pause is not None:
            raise RefusedError(Code.TABLE_PAUSED, f"table paused due to: {self.pause.reason}")
        self.round = Round(
            f"{self.code}-{render_compact(now_ms)}-{serial:06d}",
            now_ms,
            now_ms + self.settings.bet_period_ms,
        )
        return self.round

    def stop_bets(self, now_ms: int) -> Round:
        current = self._current()
        if current.status is not Status.OPENED:
            raise RefusedError(
                Code.BETS_STOPPED, f"bets are not open: the round is {current.status}"
            )
        current.status = Status.BET_STOPPED
        current.stopped_ms = now_ms
        return current

    def deal(self, round_id: str, given: dict[str, object]) -> bool:
        """Store the result; true when the same one was stored before."""
        if self.round is not None and self.round.round_id != round_id:
            raise RefusedError(
                Code.OTHER_ROUND, f"the current round is {self.round.round_id}, not {round_id}"
            )
        current = self._current()
        if current.status is Status.OPENED:
            raise RefusedError(Code.BETS_OPEN, "bets are still open")
        name = results.FIELDS[self.settings.game_type]
        if set(given) != {name}:
            raise RefusedError(
                Code.INVALID_RESULT, f"a {self.settings.game_type} deal holds roundId and {name}"
            )
        try:
            result = results.check(name, given[name], self.settings.slots)
        except ValueError as error:
            raise RefusedError(Code.INVALID_RESULT, str(error)) from error
        if current.result is not None:
            if current.result != result:
                raise RefusedError(Code.OTHER_RESULT, "another result was dealt to this round")
            return True
        current.field, current.result = name, result
        return False

    def finish(self) -> Round:
        current = self._current()
        if current.result is None:
            raise RefusedError(Code.NO_RESULT, "no result was dealt to this round")
        current.status = Status.FINISHED
        return current

    def cancel(self) -> Round:
        current = self._current()
        current.status = Status.CANCELLED
        return current

    def _current(self) -> Round:
        if self.round is None:
            raise RefusedError(Code.NO_ROUND, "no round was started on this table")
        if self.round.status in OVER:
            raise RefusedError(Code.ROUND_OVER, f"the round is {self.round.status}")
        return self.round
