"""What is played: tables, environments and their ways, and the trouble of the last round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

REQUIRED: Final = "PRD"
QUICKER: Final = "STG"
"""Its bets stop a second earlier than the others'."""

OWN_TIMER: Final = "UAT"
"""Its tables do not stop their bets themselves, so Pitboss' own timer does it."""

MISBEHAVES: Final = "QAT"
CALL_TIMEOUT_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """A physical table, with the game codes that mirror it in every environment."""

    name: str
    game: str
    codes: tuple[str, ...]
    bet_period_s: int
    deal_to_finish_ms: int = 0

    def bet_period_in(self, environment: str) -> int:
        return max(1, self.bet_period_s - (environment == QUICKER))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the misbehaving environment does to one command of a table.

    The dealer waits `wait_ms` for it and not longer; it goes on for `hold_s` after that.
    """

    table: str
    command: str
    sentence: str
    wait_ms: int
    hold_s: float
    fault: Mapping[str, object] = field(default_factory=dict)


TABLES: Final = (
    Table("ARO-001", "speed_roulette", ("ARO-001", "ARO-001-2"), bet_period_s=2),
    Table("ARO-002", "vip_roulette", ("ARO-002",), bet_period_s=2),
    Table("SBO-001", "sicbo", ("SBO-001",), bet_period_s=1),
    Table("BCR-001", "baccarat", ("BCR-001",), bet_period_s=1, deal_to_finish_ms=500),
)

_TROUBLES: Final = (
    Trouble(
        "ARO-001",
        "start",
        "opens the round but never answers",
        400,
        0.6,
        MappingProxyType({"kind": "hang", "effect": "after", "operation": "start"}),
    ),
    Trouble(
        "ARO-002",
        "result",
        "takes the result but answers 503",
        100,
        0.5,
        MappingProxyType({"kind": "status", "effect": "after", "operation": "deal"}),
    ),
    Trouble(
        "SBO-001",
        "result",
        "accepts the call and hangs",
        400,
        0.5,
        MappingProxyType({"kind": "hang", "operation": "deal"}),
    ),
    Trouble(
        "BCR-001",
        "finish",
        "answers 429: come again in a second",
        800,
        0.3,
        MappingProxyType({"kind": "retry_after", "value": 1, "operation": "finish"}),
    ),
)
TROUBLES: Final[Mapping[str, Trouble]] = MappingProxyType({each.table: each for each in _TROUBLES})
