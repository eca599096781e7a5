"""What a Table API table object says of a table, read with tolerance: a wrong type is no answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

STATUSES = frozenset(
    {"opened", "bet-stopped", "bet-txn-stopped", "finished", "cancelled", "unknown"}
)
_KNOWN = frozenset({"gameCode", "gameType", "tableRound", "betPeriod", "pause", "visibility"})

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(?:([Zz])|([+-]\d\d:\d\d))"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAUSIBLE = range(10**11, 10**13)
_FIRST_YEAR = 2000
_LONGEST_ID = 200
_LONGEST_PERIOD_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class TableView:
    """A table as one of its targets reports it; None is "not said", `paused` its reason."""

    game_code: str | None
    round_id: str | None
    status: str
    bet_period: int | None
    bet_stop_at: datetime | None
    created_at: datetime | None
    auto_bet_stop: bool | None
    paused: str | None
    maintenance: bool
    result: Mapping[str, object] | None
    visibility: str | None


def parse(obj: object) -> TableView | None:
    """Read a table object; None when it is none (no object, or nothing in it we know)."""
    if not isinstance(obj, Mapping) or not _KNOWN & obj.keys():
        return None
    said = obj.get("tableRound")
    turn: Mapping[object, object] = said if isinstance(said, Mapping) else {}
    status = turn.get("status")
    return TableView(
        game_code=_text(obj.get("gameCode")) or _text(turn.get("gameCode")),
        round_id=_text(turn.get("roundId")),
        status=status if isinstance(status, str) and status in STATUSES else "unknown",
        bet_period=_period(obj.get("betPeriod")),
        bet_stop_at=moment(turn.get("betStopTime")),
        created_at=moment(turn.get("createdAt")),
        auto_bet_stop=_flag(obj.get("autoBetStop")),
        paused=_pause(obj.get("pause")),
        maintenance=_maintenance(obj.get("maintenance")),
        result=_result(turn.get("result")),
        visibility=_text(obj.get("visibility")),
    )


def moment(value: object) -> datetime | None:
    """Read RFC 3339 or epoch milliseconds; a time without an offset is refused, not guessed at."""
    if isinstance(value, str):
        if value.isascii() and value.isdigit():
            return _from_epoch(int(value)) if len(value) <= len(str(_PLAUSIBLE.stop)) else None
        return _from_text(value)
    if type(value) is int:
        return _from_epoch(value)
    return None


def _from_epoch(milliseconds: int) -> datetime | None:
    if milliseconds not in _PLAUSIBLE:
        return None
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _from_text(text: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, _, offset = match.groups()
    micros = ((fraction or "") + "000000")[:6]
    try:
        read = datetime.fromisoformat(f"{day}T{clock}.{micros}{offset or '+00:00'}")
        read = read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # a zero time ("0001-01-01T00:00:00Z") is how some servers write "none"
    return read if read.year >= _FIRST_YEAR else None


def _text(value: object) -> str | None:
    if isinstance(value, str) and value.strip() and len(value) <= _LONGEST_ID:
        return value
    return None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _period(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= _LONGEST_PERIOD_S else None


def _pause(value: object) -> str | None:
    """Give the reason of a pause, "" for a pause without one, None where there is no pause."""
    if not isinstance(value, Mapping) or not any(value.values()):
        return None
    reason = value.get("reason")
    return reason if isinstance(reason, str) else ""


def _maintenance(value: object) -> bool:
    if isinstance(value, Mapping):
        flags = [each for each in value.values() if isinstance(each, bool)]
        return any(flags) if flags else any(value.values())
    return value is True


def _result(value: object) -> Mapping[str, object] | None:
    """Keep the games that have a result, in our wire form; an empty field is no result."""
    if not isinstance(value, Mapping):
        return None
    kept: dict[str, object] = {}
    pocket = value.get("roulette")
    if isinstance(pocket, str) and pocket:
        kept["roulette"] = pocket
    elif type(pocket) is int:
        kept["roulette"] = str(pocket)
    for game in ("sicBo", "baccarat"):
        items = value.get(game)
        if isinstance(items, Sequence) and not isinstance(items, str) and any(items):
            kept[game] = list(items)
    return kept or None
