"""Results as they are typed; whether one is valid is for the fleet to say."""

from pitboss_cli.refusals import BadUse


def read(pocket: str | None, dice: str | None, baccarat: str | None) -> dict[str, object]:
    """Give the body of the one result that was typed."""
    given = [text for text in (pocket, dice, baccarat) if text is not None]
    if len(given) != 1:
        raise BadUse("Give one result: a roulette number, --dice 1,2,3 or --baccarat D2,S10,...")
    if pocket is not None:
        return {"roulette": pocket}
    if dice is not None:
        return {"sicBo": [_die(text.strip()) for text in dice.split(",")]}
    cards = [text.strip() for text in (baccarat or "").split(",")]
    return {"baccarat": ["" if card == "-" else card for card in cards]}


def _die(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 1:
        raise BadUse(f"{text!r} is no die; write --dice 1,2,3")
    return int(text)


def describe(result: object) -> str:
    """Put a result of an answer into a word."""
    if not isinstance(result, dict) or not result:
        return ""
    return " ".join(_flat(value) for value in result.values())


def _flat(value: object) -> str:
    return ",".join(str(each) or "-" for each in value) if isinstance(value, list) else str(value)
