"""Timers that stop the bets of tables that do so by themselves."""

import asyncio

from simulator.domain.instants import read_clock
from simulator.domain.tables import Status, Table
from simulator.domain.world import World

# The loop's clock ticks in milliseconds and may ring one early.
SLACK_MS = 2


class Deadlines:
    """One timer a table: its newest round's betStopTime."""

    def __init__(self) -> None:
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def watch(self, world: World, table: Table) -> None:
        current = table.round
        if current is None:
            return
        key = (table.environment, table.code)
        previous = self._timers.pop(key, None)
        if previous is not None:
            previous.cancel()
        wait_ms = max(0, current.bet_stop_ms - read_clock()) + SLACK_MS
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(wait_ms / 1000, self._ring, world, table)

    def _ring(self, world: World, table: Table) -> None:
        """Settle the table, unless a reset put another in its place."""
        if world.find_table(table.environment, table.code) is not table:
            return
        world.settle(table, read_clock())
        if table.round is not None and table.round.status is Status.OPENED:
            self.watch(world, table)
