"""Everything the fleet can refuse or fail at, as one tree: one class per meaning."""

# ruff: noqa: N818  # `raise errors.NotFound` says it; the module is half the name

from collections.abc import Mapping


class PitbossError(Exception):
    """The root; `detail` is a sentence for people, `code` a word for programs."""

    code: str = "internal"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        field: str | None = None,
        extra: Mapping[str, object] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = type(self).code if code is None else code
        self.field = field
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


class Malformed(PitbossError):
    """The request can't be read at all."""

    code = "malformed"


class Unauthenticated(PitbossError):
    """Nobody we know is asking."""

    code = "unauthenticated"


class Forbidden(PitbossError):
    """We know who asks, and they may not."""

    code = "forbidden"


class NotFound(PitbossError):
    """What is named does not exist."""

    code = "not_found"


class Conflict(PitbossError):
    """What is asked does not fit the state of things."""

    code = "conflict"


class Stale(PitbossError):
    """The asker built on a version that is no longer the current one."""

    code = "stale"


class TooLarge(PitbossError):
    """The body is over the limit."""

    code = "too_large"


class Invalid(PitbossError):
    """It can be read, but a value in it is wrong; `field` names which."""

    code = "invalid"


class TooMany(PitbossError):
    """The asker is over its rate."""

    code = "too_many"


class Unavailable(PitbossError):
    """Something we stand on is away for the moment."""

    code = "unavailable"
