"""Which environments have a pool: those that are set, and what was added or taken out since."""

import re
from collections.abc import Iterable
from typing import Final

from native.places import Memory
from native.refusals import BadUse

NAME: Final = re.compile(r"[A-Z][A-Z0-9]{0,15}")


def read_name(text: str) -> str:
    name = text.strip().upper()
    if not NAME.fullmatch(name):
        raise BadUse(f"{text!r} is no environment; write up to 16 letters and digits, such as GLC.")
    return name


def effective(set_names: Iterable[str], memory: Memory) -> list[str]:
    """Give the environments to have a pool for, in the order they are shown."""
    names = dict.fromkeys([*set_names, *memory.environments])
    return [name for name in names if name not in memory.removed]


def remember(memory: Memory, name: str, *, there: bool) -> None:
    """Keep an operator's decision for the next `up`."""
    goes_in, goes_out = memory.environments, memory.removed
    if not there:
        goes_in, goes_out = goes_out, goes_in
    if name not in goes_in:
        goes_in.append(name)
    if name in goes_out:
        goes_out.remove(name)
