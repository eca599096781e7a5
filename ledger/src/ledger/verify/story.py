"""The rows of a round against the history they must follow from."""

from collections.abc import Iterator, Sequence

from ledger.domain.deliveries import SETTLED
from ledger.domain.history import Event, replay
from ledger.domain.rounds import Leg, Round
from ledger.verify.checks import Check, Row

STORY = Check(
    "rows_follow_from_history",
    8,
    "A round's state, result, legs and settled commands are those its events tell of.",
)


def differences(stands: Round, events: Sequence[Event]) -> Iterator[Row]:
    """Give each thing of a round that its events tell otherwise."""
    try:
        told = replay(stands.id, stands.table, events)
    except (KeyError, TypeError, ValueError) as error:
        yield {"round": stands.id, "what": f"an event can't be read: {error!r}"}
        return
    if told is None:
        yield {"round": stands.id, "what": "there is no event of its start"}
        return
    for name, stored, shown in (
        ("state", stands.state, told.state),
        ("result", stands.result, told.result),
        ("last_command", stands.last_command, told.last_command),
    ):
        if stored != shown:
            yield _row(stands, name, stored, shown)
    legs = {(leg.environment, leg.game_code): leg for leg in told.legs}
    for leg in stands.legs:
        other = legs.pop((leg.environment, leg.game_code), None)
        for what, row, history in _leg(leg, other):
            yield _row(stands, f"{leg.environment}/{leg.game_code} {what}", row, history)
    for environment, code in legs:
        yield _row(stands, f"{environment}/{code}", None, "started")


def _row(stands: Round, what: str, row: object, history: object) -> Row:
    return {"round": stands.id, "what": what, "row": row, "history": history}


def _leg(stands: Leg, told: Leg | None) -> Iterator[tuple[str, object, object]]:
    if told is None:
        yield "leg", "started", None
        return
    for name in ("state", "served_by", "external_round_id", "required"):
        stored, shown = getattr(stands, name), getattr(told, name)
        if stored != shown:
            yield name, stored, shown
    last = stands.last
    if last is not None and last.state in SETTLED:
        stored = f"{last.command} {last.state}"
        shown = f"{told.last.command} {told.last.state}" if told.last else None
        if stored != shown:
            yield "last", stored, shown
