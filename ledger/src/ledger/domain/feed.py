"""What the fleet is told: the events of the public kinds in one order, and who is told which."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self, cast

TYPES: Final = (
    "round.started",
    "round.bet_stopped",
    "round.result",
    "round.finished",
    "round.cancelled",
    "delivery.settled",
    "delivery.deferred",
    "breaker.opened",
    "breaker.closed",
    "table.paused",
    "table.resumed",
    "config.changed",
    "service.joined",
    "service.left",
    "alert.raised",
    "alert.cleared",
)


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its place in the feed."""

    seq: int
    type: str
    at: datetime
    round_id: str | None
    table: str | None
    environment: str | None
    data: Mapping[str, object]

    def within(self, environments: frozenset[str]) -> Self:
        """Leave out the legs of other environments."""
        legs = self.data.get("legs")
        if not isinstance(legs, list):
            return self
        kept = [
            leg for leg in legs if cast("Mapping[str, object]", leg)["environment"] in environments
        ]
        return replace(self, data={**self.data, "legs": kept})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a reader asked for; None is all of them."""

    tables: frozenset[str] | None = None
    environments: frozenset[str] | None = None
    types: frozenset[str] | None = None

    def takes(self, event: Published) -> bool:
        """Say whether the event is one of these.

        What is told of a table as a whole (its rounds) is told to each of its environments.
        """
        if self.types is not None and event.type not in self.types:
            return False
        if self.tables is not None and event.table not in self.tables:
            return False
        if self.environments is None or event.environment in self.environments:
            return True
        return event.environment is None and event.table is not None
