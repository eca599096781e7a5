"""Who asks, and what they may."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The holder of a key."""

    name: str
    role: str
