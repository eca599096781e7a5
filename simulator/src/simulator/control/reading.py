"""Control bodies and queries read field by field; what is wrong is said in a sentence."""

import math
from urllib.parse import parse_qs

import orjson

from simulator.domain.world import NAME

LONGEST_S = 86_400.0


class WrongInputError(Exception):
    """The control call can't be carried out as written."""


class Fields:
    """A JSON object whose fields are taken one by one; `end` refuses what is left."""

    def __init__(self, raw: bytes) -> None:
        try:
            content = orjson.loads(raw or b"{}")
        except orjson.JSONDecodeError as error:
            raise WrongInputError(f"The body is not JSON: {error}.") from error
        if not isinstance(content, dict):
            raise WrongInputError("The body must be a JSON object.")
        self._content: dict[str, object] = content

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def take(self, name: str) -> object:
        return self._content.pop(name, None)

    def take_text(self, name: str) -> str | None:
        value = self.take(name)
        if value is None or isinstance(value, str):
            return value
        raise WrongInputError(f"{name} must be a string.")

    def take_choice(self, name: str, choices: list[str]) -> str | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, str) and value in choices:
            return value
        raise WrongInputError(f"{name} must be one of {', '.join(choices)}.")

    def take_flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        raise WrongInputError(f"{name} must be true or false.")

    def take_whole(self, name: str, low: int, high: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if type(value) is int and low <= value <= high:
            return value
        raise WrongInputError(f"{name} must be a whole number from {low} to {high}.")

    def take_number(self, name: str, low: float, high: float) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and low <= value <= high
        ):
            return float(value)
        raise WrongInputError(f"{name} must be a number from {low:g} to {high:g}.")

    def take_ms(self, name: str) -> int | None:
        """Read seconds, fractions allowed, as milliseconds."""
        seconds = self.take_number(name, 0.001, LONGEST_S)
        return None if seconds is None else round(seconds * 1000)

    def end(self) -> None:
        if self._content:
            raise WrongInputError(f"Unknown field {', '.join(sorted(self._content))}.")


def read_query(query: str, known: tuple[str, ...]) -> dict[str, str]:
    given = parse_qs(query, keep_blank_values=True)
    for name, values in given.items():
        if name not in known:
            raise WrongInputError(f"Unknown parameter {name}.")
        if len(values) > 1:
            raise WrongInputError(f"{name} is given twice.")
    return {name: values[0] for name, values in given.items()}


def read_since(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 19:  # noqa: PLR2004 more than any count
        return int(text)
    raise WrongInputError("since must be the n of an effect: a whole number, 0 or more.")


def check_name(name: str, what: str) -> str:
    if NAME.fullmatch(name) is None:
        raise WrongInputError(f"{name[:80]!r} is no {what}.")
    return name
