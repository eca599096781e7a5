"""The drawing rules of baccarat: which cards a coup must and must not have."""

import re
from collections.abc import Sequence

SLOTS = ("P1", "B1", "P2", "B2", "P3", "B3")

_RANK = "(A|[2-9]|10|[JQK])"
_SUIT = "([SHDC])"
_SUIT_FIRST = re.compile(_SUIT + _RANK)
_RANK_FIRST = re.compile(_RANK + _SUIT)

_NATURAL = 8
_STANDS_FROM = 6
_BANKER_DRAWS_ON: dict[int, frozenset[int]] = {
    0: frozenset(range(10)),
    1: frozenset(range(10)),
    2: frozenset(range(10)),
    3: frozenset(range(10)) - {8},
    4: frozenset(range(2, 8)),
    5: frozenset(range(4, 8)),
    6: frozenset({6, 7}),
    7: frozenset(),
}


def card(text: str) -> str | None:
    """Give a card suit first (`S10`), from either order; None for what is no card."""
    if _SUIT_FIRST.fullmatch(text):
        return text
    if match := _RANK_FIRST.fullmatch(text):
        return match[2] + match[1]
    return None


def points(suit_first: str) -> int:
    rank = suit_first[1:]
    if rank == "A":
        return 1
    return int(rank) % 10 if rank.isdigit() else 0


def total(cards: Sequence[str]) -> int:
    return sum(points(each) for each in cards) % 10


def player_draws(player: int, banker: int) -> bool:
    """Say whether the player takes a third card on these totals of two."""
    return player < _STANDS_FROM and banker < _NATURAL


def banker_draws(player: int, banker: int, third: int | None) -> bool:
    """Say whether the banker takes a third card; `third` is the player's, None if it stood."""
    if player >= _NATURAL or banker >= _NATURAL:
        return False
    if third is None:
        return banker < _STANDS_FROM
    return third in _BANKER_DRAWS_ON[banker]


def fault(player: Sequence[str], banker: Sequence[str]) -> str | None:
    """Name the rule that these hands (two or three cards each, suit first) break, if any."""
    player_two, banker_two = total(player[:2]), total(banker[:2])
    naturals = max(player_two, banker_two) >= _NATURAL
    player_third = player[2] if len(player) > 2 else None  # noqa: PLR2004 - a hand is two cards
    banker_third = banker[2] if len(banker) > 2 else None  # noqa: PLR2004 - a hand is two cards
    if naturals and (player_third or banker_third):
        side, two = ("player", player_two) if player_two >= _NATURAL else ("banker", banker_two)
        return f"The {side} has a natural {two}: nobody draws a third card."
    if (player_third is not None) != player_draws(player_two, banker_two):
        if player_third is None:
            return f"The player has {player_two} and must draw a third card."
        return f"The player has {player_two} and stands: no third card."
    third = None if player_third is None else points(player_third)
    if (banker_third is not None) != banker_draws(player_two, banker_two, third):
        against = "the player stood" if third is None else f"the player's third card counts {third}"
        if banker_third is None:
            return f"The banker has {banker_two} and {against}: it must draw a third card."
        return f"The banker has {banker_two} and {against}: it stands, no third card."
    return None
