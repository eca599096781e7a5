"""Who asks, and what they may."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fleetkit import errors


class Role(StrEnum):
    """What the holder of a key is; each may do what those before it may, but for the device."""

    DEVICE = "device"
    VIEWER = "viewer"
    DEALER = "dealer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, least: "Role") -> bool:
        return _RANKS[self] >= _RANKS[least]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests a key may make: so many a second, and so many at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Actor:
    """The holder of a key; no tables and no environments named means all of them."""

    name: str
    role: Role
    id: str = "admin"
    tables: frozenset[str] | None = None
    environments: frozenset[str] | None = None
    rate: Rate | None = None
    address: str | None = None

    @property
    def limited(self) -> bool:
        return self.tables is not None or self.environments is not None

    def sees_table(self, table: str) -> bool:
        return self.tables is None or table in self.tables

    def sees_environment(self, environment: str) -> bool:
        return self.environments is None or environment in self.environments

    def check_role(self, least: Role) -> None:
        if not self.role.covers(least):
            raise errors.Forbidden(
                f"This needs a key of the role {least} or above; yours is of {self.role}.",
                code="role_too_low",
            )

    def check_table(self, table: str) -> None:
        if not self.sees_table(table):
            raise errors.Forbidden(
                f"Your key is limited to other tables than {table}.", code="table_not_allowed"
            )

    def check_environments(self, touched: Iterable[str]) -> None:
        """Refuse what reaches beyond the key, whole: half a command is nobody's wish."""
        beyond = sorted({one for one in touched if not self.sees_environment(one)})
        if beyond:
            raise errors.Forbidden(
                f"This would reach {', '.join(beyond)}, and your key is limited to "
                f"{', '.join(sorted(self.environments or ()))}.",
                code="environment_not_allowed",
            )

    def check_unlimited(self) -> None:
        if self.limited:
            raise errors.Forbidden(
                "This needs a key that is not limited to tables or environments.",
                code="key_is_limited",
            )
