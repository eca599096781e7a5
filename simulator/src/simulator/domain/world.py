"""All environments and tables of one simulator, with their faults and effects."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from simulator.domain.effects import Effects
from simulator.domain.faults import Faults
from simulator.domain.refusals import TurnedAwayError
from simulator.domain.tables import Settings, Table

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_ENVIRONMENTS = 1_000
MOST_TABLES = 100_000


@dataclass(slots=True)
class Environment:
    """One deployment of the Table API and how strict it is."""

    name: str
    strict: bool = False
    signature: str | bool = False
    sessions_supersede: bool = False
    session_ttl_ms: int | None = None
    require_session: bool = True


class World:
    """Everything the simulator knows."""

    def __init__(
        self,
        bet_period_ms: int,
        rng: Random,
        effects_limit: int,
        watch: Callable[[Table], None],
    ) -> None:
        self.bet_period_ms = bet_period_ms
        self.rng = rng
        self.effects = Effects(effects_limit)
        self.faults = Faults(rng)
        self.watch = watch
        self._environments: dict[str, Environment] = {}
        self._tables: dict[tuple[str, str], Table] = {}
        self._serial = 0

    def environment(self, name: str) -> Environment:
        known = self._environments.get(name)
        if known is None:
            if NAME.fullmatch(name) is None:
                raise TurnedAwayError(404, f"{name[:80]!r} is no environment name")
            if len(self._environments) >= MOST_ENVIRONMENTS:
                raise TurnedAwayError(503, "too many environments")
            known = self._environments[name] = Environment(name)
        return known

    def put_environment(self, environment: Environment) -> None:
        self._environments[environment.name] = environment

    def default_settings(self) -> Settings:
        return Settings(self.bet_period_ms)

    def find_table(self, environment: str, code: str) -> Table | None:
        return self._tables.get((environment, code))

    def make_table(self, environment: str, code: str) -> Table:
        table = self._tables.get((environment, code))
        if table is None:
            if NAME.fullmatch(code) is None:
                raise TurnedAwayError(404, f"{code[:80]!r} is no table code")
            if len(self._tables) >= MOST_TABLES:
                raise TurnedAwayError(503, "too many tables")
            table = Table(environment, code, self.default_settings())
            self._tables[environment, code] = table
        return table

    def tables(self) -> Iterator[Table]:
        return iter(self._tables.values())

    def settle(self, table: Table, now_ms: int) -> None:
        """Let time act on the table; bets that stopped by themselves are an effect of their own."""
        if table.settle(now_ms) and table.round is not None:
            self.effects.add(
                table.round.stopped_ms,
                (table.environment, table.code),
                "auto-bet-stop",
                "table",
                round_id=table.round.round_id,
            )

    def next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def reset(self) -> None:
        """Forget tables, faults and effects; environments keep their settings."""
        self._tables.clear()
        self.faults.clear()
        self.effects.clear()
        self.effects.requests.clear()
