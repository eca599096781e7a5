"""The commands a round takes, and the order they keep inside a leg."""

from enum import StrEnum


class Kind(StrEnum):
    """What is asked of a leg; the value is the word used in the API, the ledger and the logs."""

    START = "start"
    BET_STOP = "bet-stop"
    RESULT = "result"
    FINISH = "finish"
    CANCEL = "cancel"

    @property
    def rank(self) -> int:
        """The place in a leg's order; cancel is last and overtakes what has not been sent."""
        return list(Kind).index(self)

    @property
    def operation(self) -> str:
        """The Table API's word for it."""
        return "deal" if self is Kind.RESULT else self.value
