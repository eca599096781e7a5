"""How bench, chaos and stress read what they are asked: bad use is one sentence."""

import argparse
from collections.abc import Callable
from typing import Final, NoReturn

from native.refusals import BadUse

_MOST_MINUTES: Final = 1440


class Parser(argparse.ArgumentParser):
    """Refuses in the words of a verb of manage.sh; `prog` begins with it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, add_help=False)

    def error(self, message: str) -> NoReturn:
        verb = self.prog.split()[0]
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh {verb} --help")


def minutes(text: str) -> float:
    try:
        read = float(text)
    except ValueError:
        read = 0.0
    if not 0 < read <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of minutes above 0, {_MOST_MINUTES} at most"
        )
    return read


def number(most: int) -> Callable[[str], int]:
    """Give what reads a number from 1 to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {most}")
        return int(text)

    return read
