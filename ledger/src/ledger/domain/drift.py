"""What a target reports against what the ledger knows, and the smallest repair of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from ledger.domain.tableview import TableView

_OPEN = frozenset({"opened", "bet-stopped", "bet-txn-stopped"})
_OVER = frozenset({"finished", "cancelled"})
_UNDER_WAY = frozenset({"pending", "sending", "unknown"})
_SOMEBODY = "Somebody has to decide at that table"


@dataclass(frozen=True, slots=True)
class Known:
    """One round on one target, as the ledger has it, with the leg's last delivery."""

    round: str
    round_state: str
    result: Mapping[str, object] | None
    served_by: str
    leg_state: str
    external_round_id: str | None
    known_round_id: str | None
    command: str | None
    state: str | None

    @property
    def under_way(self) -> bool:
        return self.state in _UNDER_WAY

    @property
    def failed(self) -> bool:
        """Whether its last delivery is settled, and not as it was asked: it can be retried."""
        return self.state in ("rejected", "expired", "superseded")


@dataclass(frozen=True, slots=True)
class Place:
    """A target with its last rounds, newest first, and whether it took a pause from us."""

    table: str
    environment: str
    game_code: str
    rounds: Sequence[Known]
    paused: str | None = None

    @property
    def served_by(self) -> str:
        """Where to look: at the backup while a round is under way there, else at the target."""
        latest = self.rounds[0] if self.rounds else None
        if latest is None or latest.round_state in _OVER:
            return self.game_code
        return latest.served_by


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs, why it matters, and the one call that would mend it; `drift` None: nothing."""

    drift: str | None
    sentence: str
    repair: str | None = None


AGREED = Finding(None, "The target reports what the ledger knows.")


def compare(place: Place, seen: TableView | None, failure: str | None = None) -> Finding:
    """Compare one target: its round first, then whether it is paused."""
    if seen is None:
        sentence = failure or "No answer."
        return Finding("not_seen", f"The target could not be looked at: {sentence}")
    found = _round(place, seen)
    if found.drift or place.served_by != place.game_code:
        # What we pause is the target itself, never a backup.
        return found
    return _pause(place, seen) or found


def _round(place: Place, seen: TableView) -> Finding:
    latest = place.rounds[0] if place.rounds else None
    if latest is None:
        return _not_ours(seen) or AGREED
    if latest.under_way:
        return Finding(
            None,
            f"Its {latest.command} is under way ({latest.state}): the ledger sees to the rest.",
        )
    if latest.leg_state == "failed":
        return _without_us(place, latest, seen)
    if latest.external_round_id is None or latest.leg_state == "pending":
        return _not_ours(seen) or AGREED
    if seen.round_id is None:
        return Finding("no_round_shown", "The table does not say which round it has.")
    if seen.round_id != latest.external_round_id:
        return _moved_on(place, latest, seen)
    return _same_round(place, latest, seen)


def _not_ours(seen: TableView) -> Finding | None:
    if seen.status not in _OPEN:
        return None
    sentence = f"Round {seen.round_id} is open at the table, and it is none of ours."
    return Finding("foreign_round", f"{sentence} {_SOMEBODY}: finish it there, or cancel it.")


def _without_us(place: Place, latest: Known, seen: TableView) -> Finding:
    """Look at a target whose last start was not taken."""
    if seen.status not in _OPEN:
        return AGREED
    earlier = next((one for one in place.rounds if _owns(one, seen)), None)
    if earlier is not None:
        sentence = "An earlier round of ours is still open there, so no start is taken."
        return Finding("previous_open", sentence, _end(place, earlier))
    if seen.round_id == latest.known_round_id:
        sentence = f"Round {seen.round_id} was open before our start, and it is none of ours."
        return Finding("previous_open", f"{sentence} {_SOMEBODY}: finish it there, or cancel it.")
    sentence = "The start is not known to have worked, but a new round is open at the table."
    return Finding("started_unseen", sentence, _leg(place, latest, "cancel"))


def _moved_on(place: Place, latest: Known, seen: TableView) -> Finding:
    if latest.leg_state in _OVER or latest.round_state == "cancelled":
        return _not_ours(seen) or AGREED
    sentence = f"The table has moved on to round {seen.round_id}: nothing of ours reaches its own."
    repair = _leg(place, latest, "skip") if latest.failed else None
    return Finding("moved_on", sentence, repair)


def _same_round(place: Place, latest: Known, seen: TableView) -> Finding:
    """Compare where both are in the same round."""
    if seen.result and latest.result and seen.result != latest.result:
        shown, ours = _plain(seen.result), _plain(latest.result)
        sentence = f"The table has the result {shown}, the round has {ours}."
        return Finding("other_result", sentence, _unended(place, latest, seen))
    if seen.status in _OVER and seen.status != latest.leg_state:
        sentence = f"The round is {seen.status} at the table, and {latest.leg_state} to us."
        return Finding(f"{seen.status}_elsewhere", sentence, _follow(place, latest, seen))
    if latest.leg_state in _OVER and seen.status in _OPEN:
        sentence = f"The round is {latest.leg_state} to us, and still {seen.status} at the table."
        return Finding("still_open", f"{sentence} {_SOMEBODY}.")
    if latest.result is None:
        return _undealt(place, latest, seen)
    if not seen.result and seen.status in _OPEN:
        sentence = f"The table has not the round's result {_plain(latest.result)}."
        return Finding("result_missing", sentence, _retried(place, latest))
    if latest.round_state in _OVER and seen.status in _OPEN:
        sentence = f"The round is {latest.round_state}, but not on this table."
        return Finding(f"not_{latest.round_state}", sentence, _retried(place, latest))
    return AGREED


def _undealt(place: Place, latest: Known, seen: TableView) -> Finding:
    if seen.result:
        sentence = f"The table has the result {_plain(seen.result)}, and the round has none yet."
        call = f"POST /v1/rounds/{latest.round}/result {_plain(seen.result)}"
        return Finding("result_elsewhere", sentence, call)
    if latest.round_state == "cancelled" and seen.status in _OPEN:
        sentence = "The round is cancelled, but not on this table."
        return Finding("not_cancelled", sentence, _retried(place, latest))
    if latest.leg_state == "bet_stopped" and seen.status == "opened":
        return Finding("bets_open", "The bets were stopped, but are open at the table.")
    if latest.command == "bet-stop" and latest.failed and seen.status == "opened":
        sentence = "The bets could not be stopped and are still open at the table."
        return Finding("bets_open", sentence, _leg(place, latest, "retry"))
    return AGREED


def _follow(place: Place, latest: Known, seen: TableView) -> str | None:
    """Give the call that takes over what has happened at the table: it is looked at, not sent."""
    if latest.failed:
        return _leg(place, latest, "retry")
    if seen.status == "cancelled":
        return _leg(place, latest, "cancel")
    return _round_call(latest, "finish") if latest.round_state == "dealt" else None


def _end(place: Place, earlier: Known) -> str | None:
    """Give the call that ends an earlier round of ours on this target."""
    if earlier.failed:
        # A leg whose start counts as failed owes nothing that could be retried, but a cancel.
        unstarted = earlier.leg_state in {"failed", "pending"} and earlier.command != "cancel"
        return _leg(place, earlier, "cancel" if unstarted else "retry")
    if earlier.round_state in _OVER or earlier.leg_state in _OVER:
        return None
    return _round_call(earlier, "finish" if earlier.round_state == "dealt" else "cancel")


def _retried(place: Place, latest: Known) -> str | None:
    return _leg(place, latest, "retry") if latest.failed else None


def _unended(place: Place, latest: Known, seen: TableView) -> str | None:
    over = seen.status in _OVER or latest.leg_state in _OVER
    return None if over else _leg(place, latest, "cancel")


def _pause(place: Place, seen: TableView) -> Finding | None:
    if seen.paused is not None and place.paused is None:
        why = f": {seen.paused}" if seen.paused else ""
        sentence = f"The table is paused, and not by us{why}."
        return Finding("paused_elsewhere", sentence, _switch(place, "resume", {}))
    if seen.paused is None and place.paused is not None:
        sentence = "We paused the table, and it is not paused any more."
        return Finding(
            "resumed_elsewhere", sentence, _switch(place, "pause", {"reason": place.paused})
        )
    return None


def _owns(known: Known, seen: TableView) -> bool:
    return known.external_round_id is not None and known.external_round_id == seen.round_id


def _leg(place: Place, known: Known, repair: str) -> str:
    target = f"{place.environment}/{place.game_code}"
    return f"POST /v1/rounds/{known.round}/legs/{target}/{repair}"


def _round_call(known: Known, command: str) -> str:
    return f"POST /v1/rounds/{known.round}/{command}"


def _switch(place: Place, command: str, body: Mapping[str, object]) -> str:
    where = _plain({**body, "environments": [place.environment]})
    return f"POST /v1/tables/{place.table}/{command} {where}"


def _plain(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode()
