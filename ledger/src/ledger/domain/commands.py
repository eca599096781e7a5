"""The commands a round and a table take, and the order a round's keep inside a leg."""

from enum import StrEnum


class Kind(StrEnum):
    """What is asked of a target; the value is the word used in the API, the ledger and the logs."""

    START = "start"
    BET_STOP = "bet-stop"
    RESULT = "result"
    FINISH = "finish"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    VISIBILITY = "visibility"
    BROADCAST = "broadcast"

    @property
    def rank(self) -> int:
        """The place in a leg's order; cancel is last and overtakes what has not been sent.

        A command of the table has no place in it, and goes after what a round has due.
        """
        return -1 if self.of_table else ROUND_KINDS.index(self)

    @property
    def of_table(self) -> bool:
        """Whether it is asked of the table itself and belongs to no round."""
        return self in TABLE_KINDS

    @property
    def undoes(self) -> tuple["Kind", ...]:
        """Which commands of the table are pointless on a target once this one is asked for."""
        switch = (Kind.PAUSE, Kind.RESUME)
        if self in switch:
            return switch
        return (self,) if self is Kind.VISIBILITY else ()

    @property
    def operation(self) -> str:
        """The Table API's word for it."""
        return "deal" if self is Kind.RESULT else self.value


ROUND_KINDS = (Kind.START, Kind.BET_STOP, Kind.RESULT, Kind.FINISH, Kind.CANCEL)
TABLE_KINDS = frozenset({Kind.PAUSE, Kind.RESUME, Kind.VISIBILITY, Kind.BROADCAST})
