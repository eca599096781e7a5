"""The ledger as a replica writes it, with what follows from a settlement set going."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from fleetkit.database import Database
from ledger.domain.commands import Kind
from ledger.domain.deliveries import SETTLED, Lease, Settlement
from ledger.store import deliveries, rounds
from ledger.store.deliveries import Settled
from ledger.store.expiry import expire
from table_service.adapters import meters


class Store:
    """Claims and settlements of one environment."""

    def __init__(self, database: Database, *, environment: str, instance: str) -> None:
        self._database = database
        self._environment = environment
        self._instance = instance
        self.on_follower: Callable[[datetime | None], None] = lambda _: None

    async def claim(self, *, limit: int, lease: timedelta) -> list[Lease]:
        """Take what is due; what can't be begun in time any more is settled on the way."""
        async with self._database.connection() as conn:
            expired = await expire(conn, self._environment)
            if expired:
                await rounds.conclude(conn, sorted({one.round_id for one in expired}))
                await deliveries.announce_settled(conn, {one.command_id for one in expired})
            return await deliveries.claim(conn, self._environment, limit=limit, lease=lease)

    async def next_due(self) -> datetime | None:
        async with self._database.connection() as conn:
            return await deliveries.next_due(conn, self._environment)

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Write outcomes; then end rounds of which nothing opened, and wake what waited."""
        async with self._database.connection() as conn:
            settled = await deliveries.settle(conn, settlements, instance=self._instance)
            over = {s.round_id for s in settled if s.in_play and _may_conclude(s)}
            if over:
                await rounds.conclude(conn, sorted(over))
        for one in settled:
            meters.DELIVERIES.labels(self._environment, one.kind, one.state).inc()
            if one.followed:
                self.on_follower(None)
        written = {one.id for one in settled}
        for settlement in settlements:
            if settlement.lease.id in written:
                self._time(settlement)
            if settlement.state not in SETTLED:
                self.on_follower(settlement.due_at)
            elif settlement.opened is not None and settlement.opened.bet_stop_at is not None:
                self.on_follower(settlement.opened.bet_stop_at)
        return settled

    def _time(self, settlement: Settlement) -> None:
        """Note what has to come in time: bet-stops as they go out, results as they are taken."""
        lease = settlement.lease
        if lease.kind is Kind.BET_STOP and settlement.attempts:
            meter, took = meters.BET_STOP_LATENESS, settlement.attempts[0].at - lease.due_at
        elif lease.kind is Kind.RESULT and settlement.state == "accepted":
            meter, took = meters.RESULT_DELIVERY, settlement.at - lease.written_at
        else:
            return
        meter.labels(self._environment).observe(max(0.0, took.total_seconds()))

    async def warm(self) -> None:
        """Have the statement of every outcome prepared before the first one is written."""
        async with self._database.connection() as conn:
            await deliveries.settle(conn, [], instance=self._instance)

    async def switch(self, lease: Lease, served_by: str, *, reason: str | None) -> Lease | None:
        async with self._database.connection() as conn:
            return await deliveries.switch(conn, lease, served_by, reason=reason)

    async def waited_for(self) -> set[str]:
        async with self._database.connection() as conn:
            return await deliveries.waited_for(conn, self._environment)

    async def hasten(self, lease: Lease) -> None:
        """Make what waits for a target that is back due at once, for all replicas."""
        async with self._database.connection() as conn:
            await deliveries.hasten(conn, lease.environment, lease.served_by)
            await deliveries.announce_due(conn, [lease.environment])
        self.on_follower(None)

    async def announce(self, settled: Sequence[Settled]) -> None:
        """Tell waiting gateways of what a courier settled."""
        commands = {one.command_id for one in settled}
        if commands:
            async with self._database.connection() as conn:
                await deliveries.announce_settled(conn, commands)


def _may_conclude(settled: Settled) -> bool:
    barren = settled.kind is Kind.START and settled.state in SETTLED - {"accepted"}
    return barren or (settled.kind in (Kind.FINISH, Kind.CANCEL) and settled.state == "accepted")
