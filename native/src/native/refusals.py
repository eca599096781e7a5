"""What can't be done, as one sentence with the way out and the exit code that goes with it."""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818  # it is read as "a refusal", and printed as its sentence
    """A sentence for the operator; nothing was changed unless it says so."""

    code: ClassVar[int] = 1


class BadUse(Refusal):
    """The command line or a setting is wrong."""

    code = 2


class NotRunning(Refusal):
    """The verb needs a running fleet."""

    code = 3


class Missing(Refusal):
    """A program or a right that is needed is not there."""

    code = 4


class PortTaken(Refusal):
    """Somebody else listens where the fleet should."""

    code = 5


BY_CODE: dict[int, type[Refusal]] = {
    kind.code: kind for kind in (Refusal, BadUse, NotRunning, Missing, PortTaken)
}
