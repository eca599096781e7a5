"""The access tokens of one table: which are valid, expired or superseded."""

from simulator.domain.refusals import Code, RefusedError

KEPT = 256


class Sessions:
    """Tokens in the order they were opened, the newest last; the oldest are forgotten."""

    __slots__ = ("_expiries",)

    def __init__(self) -> None:
        self._expiries: dict[str, int | None] = {}

    def open(self, token: str, expires_ms: int | None) -> None:
        if len(self._expiries) >= KEPT:
            del self._expiries[next(iter(self._expiries))]
        self._expiries[token] = expires_ms

    def expire(self, token: str | None) -> None:
        if token is not None:
            self._expiries.pop(token, None)

    def check(self, token: str | None, now_ms: int, *, supersede: bool) -> None:
        if token is None:
            raise RefusedError(Code.SESSION_EXPIRED, "session missing")
        expires_ms = self._expiries.get(token, 0)
        if expires_ms is not None and expires_ms <= now_ms:
            raise RefusedError(Code.SESSION_EXPIRED, "session expired")
        if supersede and token != next(reversed(self._expiries)):
            raise RefusedError(Code.SESSION_SUPERSEDED, "session superseded by a newer one")
