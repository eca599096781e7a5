"""How much a process has under way just now."""

from collections.abc import Callable


class Load:
    """Counts the requests being answered, unless a service counts what is closer to its work."""

    def __init__(self) -> None:
        self.requests = 0
        self.measure: Callable[[], int] | None = None

    def read(self) -> int:
        return self.requests if self.measure is None else self.measure()
