"""What a limited key is shown: its tables, and of each the parts in its environments."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol, TypeVar

from ledger.domain.actors import Actor
from ledger.domain.config import Mirror
from ledger.domain.rounds import Round


class Placed(Protocol):
    """What stands in an environment."""

    @property
    def environment(self) -> str: ...


Part = TypeVar("Part", bound=Placed)


def parts(actor: Actor, all_of_them: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(one for one in all_of_them if actor.sees_environment(one.environment))


def of_round(actor: Actor, round_: Round) -> Round:
    if actor.environments is None:
        return round_
    return replace(round_, legs=parts(actor, round_.legs))


def mirrors(actor: Actor, all_of_them: Iterable[Mirror]) -> list[Mirror]:
    return [one for one in all_of_them if actor.sees_environment(one.environment.environment)]


def tables(
    actor: Actor, found: Iterable[tuple[str, list[Mirror]]]
) -> Iterator[tuple[str, list[Mirror]]]:
    for name, targets in found:
        seen = mirrors(actor, targets) if actor.sees_table(name) else []
        if seen:
            yield name, seen
