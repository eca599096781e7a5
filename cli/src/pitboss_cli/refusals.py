"""How a command ends: the exit codes, and what can't be done as one sentence."""

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What scripts go by; README.md and `pitboss --help` tell the same."""

    DONE = 0
    FAILED = 1
    BAD_USE = 2
    UNREACHABLE = 3
    PARTIAL = 4
    PENDING = 5
    INTERRUPTED = 130


class Refusal(Exception):  # noqa: N818  # it is read as "a refusal", and printed as its sentence
    """A sentence for whoever typed the command; `raw` is the answer behind it, if there is one."""

    code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, sentence: str, raw: str | None = None, status: int | None = None) -> None:
        super().__init__(sentence)
        self.raw = raw
        self.status = status


class BadUse(Refusal):
    """The command line or a setting is wrong; nothing was sent."""

    code = Exit.BAD_USE


class Unreachable(Refusal):
    """Nobody answered."""

    code = Exit.UNREACHABLE
