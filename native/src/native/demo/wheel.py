"""Stands in for the wheel, the dice and the shoe.

In a studio the result comes from the table, given by the dealer; Pitboss never makes one up. Here
the demo is the dealer, so it has to have something to give.
"""

from random import Random
from typing import Final

# Suit first, in the order P1 B1 P2 B2 P3 B3: naturals, both stand, either draws, both draw.
COUPS: Final = (
    ("S4", "H2", "D5", "CK", "", ""),
    ("HQ", "D9", "S7", "C10", "", ""),
    ("D6", "SJ", "HK", "C7", "", ""),
    ("C10", "H3", "S6", "D2", "", "S4"),
    ("HA", "S5", "D4", "CQ", "H9", ""),
    ("S2", "D10", "C3", "H4", "D7", "SK"),
    ("DK", "CA", "HJ", "S2", "C8", ""),
    ("C2", "H6", "SQ", "DK", "DA", ""),
)


def draw(game: str, random: Random) -> dict[str, object]:
    """Give a result of the game, in the field it has on the wire."""
    if game == "sicbo":
        return {"sicBo": [random.randint(1, 6) for _ in range(3)]}
    if game == "baccarat":
        return {"baccarat": list(random.choice(COUPS))}
    return {"roulette": str(random.randint(0, 36))}


def describe(result: dict[str, object] | None) -> str:
    """Say a result in a few letters: 17, 1-2-3, P7:B5."""
    for game, value in (result or {}).items():
        if game == "baccarat" and isinstance(value, list):
            cards = [str(card) for card in value]
            return f"P{_total(cards[::2])}:B{_total(cards[1::2])}"
        return "-".join(map(str, value)) if isinstance(value, list) else str(value)
    return ""


def _total(cards: list[str]) -> int:
    return sum(map(_points, cards)) % 10


def _points(card: str) -> int:
    rank = card[1:]
    if rank == "A":
        return 1
    return int(rank) if rank.isdigit() else 0
