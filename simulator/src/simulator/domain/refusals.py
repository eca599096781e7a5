"""Every way the Table API says no, with its code and HTTP status."""

from enum import IntEnum


class Code(IntEnum):
    """The envelope's error codes; README.md says which of them are this simulator's own."""

    MALFORMED = 13002
    PREVIOUS_ROUND_OPEN = 13003
    NO_ROUND = 13005
    TABLE_PAUSED = 13007
    OTHER_ROUND = 13008
    BETS_OPEN = 13009
    OTHER_RESULT = 13010
    INVALID_RESULT = 13011
    ROUND_OVER = 13012
    BETS_STOPPED = 13013
    NO_RESULT = 13014
    SESSION_EXPIRED = 13040
    SESSION_SUPERSEDED = 13041


STATUSES = {
    Code.PREVIOUS_ROUND_OPEN: 403,
    Code.TABLE_PAUSED: 403,
    Code.SESSION_EXPIRED: 401,
    Code.SESSION_SUPERSEDED: 401,
}


class RefusedError(Exception):
    """The call is refused inside the envelope and nothing took effect."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUSES.get(code, 400)
        self.message = message


class TurnedAwayError(Exception):
    """The call never reached the Table API proper: an HTTP status without an envelope code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
