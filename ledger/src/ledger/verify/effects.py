"""The simulator's own account of what took effect, against the ledger's."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.domain.commands import Kind
from ledger.verify.checks import Check, Finding, Row

ONCE = Check(
    "one_effect_per_command", 2, "Of each command one effect at most took place on a table's round."
)
OURS = Check(
    "effect_has_a_delivery", 4, "Each effect is on the round of a leg that was sent that command."
)
TOOK_EFFECT = Check(
    "accepted_took_effect", 1, "Each accepted command took effect on the leg's own round."
)
ORDER = Check(
    "effects_in_order", 5, "A table's round saw its commands in order, none after a cancel."
)
RESULTS = Check("results_are_equal", 6, "Every table took the round's one result.")

_KINDS: Final[Mapping[str, Kind]] = {
    kind.operation: kind
    for kind in (Kind.START, Kind.BET_STOP, Kind.RESULT, Kind.FINISH, Kind.CANCEL)
}
# A table may stop bets by itself, and may have done so before our call came.
_MUST_SHOW: Final = (Kind.START, Kind.RESULT, Kind.FINISH, Kind.CANCEL)
_CLOCKS: Final = timedelta(seconds=1)
# The simulator runs beside us, by the same clock, and shows whole milliseconds of it.
_SAME_CLOCK: Final = timedelta(milliseconds=5)


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that took effect at a table."""

    n: int
    at: datetime
    environment: str
    table: str
    operation: str
    round: str | None
    result: object
    repeat: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery, as far as effects are concerned."""

    kind: Kind
    state: str
    first_sent_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class SentLeg:
    """A leg and what was sent to it."""

    round_id: str
    environment: str
    game_code: str
    served_by: str
    external_round_id: str | None
    result: object
    sent: Mapping[Kind, Sent]


def compare(
    effects: Sequence[Effect], legs: Sequence[SentLeg], *, until: datetime, whole: bool
) -> Iterator[Finding]:
    """Check effects, all of them `until` a time, against legs.

    Only where the legs are the `whole` ledger must each effect be on one of them.
    """
    first = [one for one in effects if not one.repeat and one.operation in _KINDS]
    known: dict[tuple[str, str | None], SentLeg] = {
        (leg.served_by, leg.external_round_id): leg for leg in legs if leg.external_round_id
    }
    ours = [(one, known[key]) for one in first if (key := (one.table, one.round)) in known]
    yield Finding.of(ONCE, list(_doubled([one for one, _ in ours])))
    yield Finding.of(OURS, [*_unsent(ours), *(_strange(first, legs, ours) if whole else ())])
    yield Finding.of(TOOK_EFFECT, list(_missing(effects, legs, until)))
    yield Finding.of(ORDER, list(_disordered(ours)))
    yield Finding.of(RESULTS, list(_differing(ours)))


def _doubled(effects: Sequence[Effect]) -> Iterator[Row]:
    counts = Counter((one.environment, one.table, one.round, one.operation) for one in effects)
    for (environment, table, round_id, operation), count in counts.items():
        if count > 1:
            yield {
                "environment": environment,
                "table": table,
                "table_round": round_id,
                "operation": operation,
                "effects": count,
            }


def _unsent(ours: Sequence[tuple[Effect, SentLeg]]) -> Iterator[Row]:
    for effect, leg in ours:
        if _KINDS[effect.operation] not in leg.sent:
            yield {"round": leg.round_id, **_show(effect), "what": "no such command on this leg"}


def _strange(
    effects: Sequence[Effect],
    legs: Sequence[SentLeg],
    ours: Sequence[tuple[Effect, SentLeg]],
) -> Iterator[Row]:
    """Give effects on our targets whose round no leg knows, unless one may still find it out.

    The simulator may call an environment otherwise than we do: rounds that are ours tell. What
    took place before the ledger's first call to a target is somebody else's.
    """
    names = {effect.environment: leg.environment for effect, leg in ours}
    known = {effect.n for effect, _ in ours}
    begun: dict[tuple[str, str], datetime] = {}
    for leg in legs:
        start = leg.sent.get(Kind.START)
        if start is not None and start.first_sent_at is not None:
            place = (leg.environment, leg.served_by)
            begun[place] = min(begun.get(place, start.first_sent_at), start.first_sent_at)
    nameless: dict[tuple[str, str], list[SentLeg]] = {}
    for leg in legs:
        if leg.external_round_id is None:
            nameless.setdefault((leg.environment, leg.served_by), []).append(leg)
    for effect in effects:
        place = (names.get(effect.environment, effect.environment), effect.table)
        if effect.n in known or place not in begun or effect.at < begun[place] - _SAME_CLOCK:
            continue
        if not any(_may_be_of(effect, leg) for leg in nameless.get(place, ())):
            yield {**_show(effect), "what": "on a round that no leg knows"}


def _may_be_of(effect: Effect, leg: SentLeg) -> bool:
    """Say whether a leg without a round is still looking for it, or cancelled it unnamed."""
    start, cancel = leg.sent.get(Kind.START), leg.sent.get(Kind.CANCEL)
    if start is None or start.first_sent_at is None or effect.at < start.first_sent_at - _CLOCKS:
        return False
    if start.settled_at is None:
        return True
    if cancel is None or cancel.first_sent_at is None:
        return False
    return cancel.settled_at is None or effect.at <= cancel.settled_at + _CLOCKS


def _missing(effects: Sequence[Effect], legs: Sequence[SentLeg], until: datetime) -> Iterator[Row]:
    """Give accepted deliveries without effect, of the time that the account covers."""
    if not effects:
        return
    since = min(one.at for one in effects) + _CLOCKS
    seen = {(one.table, one.round, one.operation) for one in effects}
    for leg in legs:
        start = leg.sent.get(Kind.START)
        if leg.external_round_id is None or start is None:
            continue
        if start.first_sent_at is None or start.first_sent_at < since:
            continue
        for kind in _MUST_SHOW:
            sent = leg.sent.get(kind)
            key = (leg.served_by, leg.external_round_id, kind.operation)
            if sent is None or sent.state != "accepted" or key in seen:
                continue
            if sent.settled_at is not None and sent.settled_at < until:
                yield {
                    "round": leg.round_id,
                    "environment": leg.environment,
                    "table": leg.served_by,
                    "table_round": leg.external_round_id,
                    "operation": kind.operation,
                }


def _disordered(ours: Sequence[tuple[Effect, SentLeg]]) -> Iterator[Row]:
    ranks: dict[tuple[str, str | None], tuple[int, str]] = {}
    for effect, leg in sorted(ours, key=lambda pair: pair[0].n):
        key = (effect.environment, effect.round)
        rank = _KINDS[effect.operation].rank
        before = ranks.get(key)
        if before is not None and rank < before[0]:
            yield {"round": leg.round_id, **_show(effect), "after": before[1]}
        else:
            ranks[key] = (rank, effect.operation)


def _differing(ours: Sequence[tuple[Effect, SentLeg]]) -> Iterator[Row]:
    for effect, leg in ours:
        # The tables show the value alone, without the game's field it came in.
        given = list(leg.result.values()) if isinstance(leg.result, dict) else []
        if _KINDS[effect.operation] is Kind.RESULT and [effect.result] != given:
            yield {
                "round": leg.round_id,
                **_show(effect),
                "took": effect.result,
                "result": leg.result,
            }


def _show(effect: Effect) -> Row:
    return {
        "n": effect.n,
        "environment": effect.environment,
        "table": effect.table,
        "table_round": effect.round,
        "operation": effect.operation,
    }
