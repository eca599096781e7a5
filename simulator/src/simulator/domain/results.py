"""Game types, the field that carries their result, and which results are valid."""

from simulator.domain import baccarat

Result = str | tuple[int, ...] | tuple[str, ...]

FIELDS = {
    "speed_roulette": "roulette",
    "vip_roulette": "roulette",
    "auto-roulette": "roulette",
    "roulette": "roulette",
    "sicbo": "sicBo",
    "sic-bo": "sicBo",
    "auto-sic-bo": "sicBo",
    "baccarat": "baccarat",
}
POCKETS = frozenset(str(pocket) for pocket in range(37))
DICE = 3


def check(field: str, value: object, slots: tuple[str, ...]) -> Result:
    """Give the result back in its stored form, or raise ValueError with the sentence."""
    if field == "roulette":
        return _check_roulette(value)
    if field == "sicBo":
        return _check_dice(value)
    return baccarat.check(value, slots)


def _check_roulette(value: object) -> str:
    if isinstance(value, str) and value in POCKETS:
        return value
    raise ValueError('roulette must be a string from "0" to "36"')


def _check_dice(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != DICE:
        raise ValueError("sicBo must be a list of exactly three dice")
    dice = tuple(die for die in value if type(die) is int and 1 <= die <= 6)  # noqa: PLR2004 a die has six faces
    if len(dice) != DICE:
        raise ValueError("each die of sicBo must be an integer from 1 to 6")
    return dice
