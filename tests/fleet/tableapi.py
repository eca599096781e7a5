"""The simulator as tests see it: faults on demand, and its own ledger of what took effect."""

from dataclasses import dataclass
from typing import cast

from fleet.rig import ENVIRONMENTS
from simulator.testing import Content, Reply, Target, send


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that took effect at a table."""

    n: int
    at: str
    environment: str
    table: str
    operation: str
    round: str | None
    result: object
    caller: str
    repeat: bool


@dataclass(frozen=True, slots=True)
class TableApi:
    """All environments' Table APIs."""

    port: int

    def control(self, method: str, path: str, body: object = None) -> Content:
        reply: Reply = send(self.port, method, f"/control/{path}", body)
        assert reply.status < 300, reply.body
        return reply.json()

    def arrange(self, environment: str, code: str, **settings: object) -> None:
        self.control("PUT", f"tables/{environment}/{code}", settings)

    def arrange_all(self, code: str, **settings: object) -> None:
        for environment in ENVIRONMENTS:
            self.arrange(environment, code, **settings)

    def fail(self, kind: str, **fields: object) -> int:
        """Put up a fault; without environment, table or operation it strikes all of them."""
        return cast("int", self.control("POST", "faults", {"kind": kind, **fields})["fault"])

    def heal(self) -> None:
        self.control("DELETE", "faults")

    def end(self, fault: int) -> None:
        self.control("DELETE", f"faults/{fault}")

    def struck(self, fault: int) -> int:
        found = cast("list[Content]", self.control("GET", "faults")["faults"])
        return cast("int", next(one["struck"] for one in found if one["fault"] == fault))

    def effects(self, table: str, environment: str = "", operation: str = "") -> list[Effect]:
        """Give what took effect at a table, in order; sessions only where asked for."""
        query = f"table={table}" + (f"&environment={environment}" if environment else "")
        found = cast("list[Content]", self.control("GET", f"effects?{query}")["effects"])
        effects = [Effect(**cast("dict[str, str]", one)) for one in found]  # type: ignore[arg-type]
        if operation:
            return [one for one in effects if one.operation == operation]
        return [one for one in effects if one.operation != "sessions"]

    def counts(self, table: str, operation: str) -> dict[str, int]:
        """Count an operation's effects at a table by environment."""
        where = [one.environment for one in self.effects(table, operation=operation)]
        return {environment: where.count(environment) for environment in ENVIRONMENTS}

    def all_effects(self) -> int:
        found = cast("list[Content]", self.control("GET", "effects")["effects"])
        return len(found)

    def requests(self) -> int:
        """Count the calls that came in, whether they took effect or not."""
        return cast("int", self.control("GET", "requests/count")["total"])

    def sent(self) -> int:
        """Count the calls that came in, but for looks: a breaker of long ago may be probed."""
        found = self.control("GET", "requests/count")["environments"]
        counts = cast("dict[str, dict[str, int]]", found).values()
        looks = ("get", "sessions")
        return sum(n for each in counts for name, n in each.items() if name not in looks)

    def target(self, environment: str, code: str) -> Target:
        """Be somebody else who operates that table."""
        made = Target(self.port, environment, code)
        made.open_session()
        return made
