"""Results of a round by game: what is valid is put in wire form, all else refused, none repaired.

A result is checked against the table's configured type, never against the prefix of its code.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from fleetkit.errors import Invalid
from ledger.domain import baccarat

DEFAULT_SLOTS = baccarat.SLOTS

FIELD: Mapping[str, str] = {
    "speed_roulette": "roulette",
    "vip_roulette": "roulette",
    "sicbo": "sicBo",
    "baccarat": "baccarat",
}
_ALIASES: Mapping[str, str] = {
    "roulette": "speed_roulette",
    "auto_roulette": "speed_roulette",
    "sic_bo": "sicbo",
    "auto_sic_bo": "sicbo",
}
_GAME_FIELDS = tuple(dict.fromkeys(FIELD.values()))
_POCKET = re.compile(r"[0-9]|[12][0-9]|3[0-6]")
_LAST_POCKET = 36
_DICE = 3
_FACES = range(1, 7)


@dataclass(frozen=True, slots=True)
class Result:
    """A valid result; `game` is the field it has on the wire."""

    game: str
    value: str | tuple[int, ...] | tuple[str, ...]

    def wire(self) -> dict[str, object]:
        return {self.game: self.value if isinstance(self.value, str) else list(self.value)}


def normalize_type(text: str) -> str | None:
    """Give the canonical game type for any spelling of it the Table API knows."""
    name = text.strip().lower().replace("-", "_")
    name = _ALIASES.get(name, name)
    return name if name in FIELD else None


def parse(
    game_type: str, body: Mapping[str, object], *, slots: tuple[str, ...] = DEFAULT_SLOTS
) -> Result:
    """Read the one result in `body` for a table of this type, or refuse it with a sentence."""
    canonical = normalize_type(game_type)
    if canonical is None:
        raise Invalid(f"{game_type!r} is no known game type.", code="unknown_game_type")
    wanted = FIELD[canonical]
    given = [name for name in _GAME_FIELDS if body.get(name) is not None]
    if not given:
        _refuse(wanted, f"No result was given: a {canonical} table takes {wanted!r}.")
    others = [name for name in given if name != wanted]
    if len(given) > 1:
        named = " and ".join(repr(name) for name in given)
        _refuse(others[0], f"More than one result was given ({named}): give {wanted!r} only.")
    if others:
        _refuse(
            others[0],
            f"A {others[0]!r} result was given, but a {canonical} table takes {wanted!r}.",
        )
    if wanted == "baccarat":
        return Result(wanted, _coup(body[wanted], slots))
    return Result(wanted, _SIMPLE[wanted](body[wanted]))


def _refuse(field: str, sentence: str) -> NoReturn:
    raise Invalid(sentence, code="invalid_result", field=field)


def _pocket(value: object) -> str:
    if type(value) is int and 0 <= value <= _LAST_POCKET:
        return str(value)
    if isinstance(value, str) and _POCKET.fullmatch(value):
        return value
    _refuse(
        "roulette",
        'A roulette result is a whole number from 0 to 36, as a number or as a string like "17".',
    )


def _dice(value: object) -> tuple[int, ...]:
    items = _items(value)
    if items is None or len(items) != _DICE:
        _refuse("sicBo", "A sicbo result is a list of exactly three dice.")
    dice = tuple(each for each in items if type(each) is int and each in _FACES)
    if len(dice) != _DICE:
        _refuse("sicBo", "Each die of a sicbo result is a whole number from 1 to 6.")
    return dice


_SIMPLE: Mapping[str, Callable[[object], str | tuple[int, ...]]] = {
    "roulette": _pocket,
    "sicBo": _dice,
}


def _coup(value: object, slots: tuple[str, ...]) -> tuple[str, ...]:
    if sorted(slots) != sorted(DEFAULT_SLOTS):
        expected = ", ".join(DEFAULT_SLOTS)
        raise Invalid(f"The slot order must name each of {expected} once.", code="invalid_slots")
    items = _items(value)
    if items is None or len(items) != len(slots):
        _refuse("baccarat", 'A baccarat result is a list of exactly six cards, "" for no card.')
    cards = tuple(_card(each, slot) for each, slot in zip(items, slots, strict=True))
    dealt = [each for each in cards if each]
    for each in dealt:
        if dealt.count(each) > 1:
            _refuse("baccarat", f"The card {each} is there twice.")
    at = dict(zip(slots, cards, strict=True))
    for slot in ("P1", "P2", "B1", "B2"):
        if not at[slot]:
            _refuse("baccarat", f"The card {slot} is missing: each hand has at least two cards.")
    hands = [[at[side + n] for n in "123" if at[side + n]] for side in "PB"]
    if sentence := baccarat.fault(*hands):
        _refuse("baccarat", sentence)
    return cards


def _card(value: object, slot: str) -> str:
    if value == "":
        return ""
    known = baccarat.card(value) if isinstance(value, str) else None
    if known is None:
        _refuse(
            "baccarat",
            f"The card {slot} is no card: write suit (S H D C) and rank (A 2-10 J Q K), as in D2.",
        )
    return known


def _items(value: object) -> Sequence[object] | None:
    return value if isinstance(value, (list, tuple)) else None
