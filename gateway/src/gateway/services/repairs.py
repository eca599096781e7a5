"""Repairs: one leg sent again, skipped or cancelled; a stretch of time recovered."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from fleetkit import errors
from fleetkit.clock import rfc3339
from fleetkit.database import Connection, Database
from gateway.services.dispatch import Dispatch
from gateway.services.rounds import Asked
from ledger.domain.commands import Kind
from ledger.domain.repairs import Listed, left_out
from ledger.domain.rounds import Leg, Round
from ledger.store import audit, deliveries, repairs, rounds
from ledger.store.repairs import Filter, Mendable, Repair

# Wider than this, what would be sent is looked at first.
WIDE = timedelta(days=7)
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery sends again, and why it leaves the rest."""

    chosen: tuple[Listed, ...]
    left: dict[str, int]
    confirm: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Mended:
    """A round after the repair of one of its legs; it is settled when that leg is."""

    round: Round
    leg: Leg

    @property
    def settled(self) -> bool:
        return self.leg.settled

    def may_settle_by(self, horizon: datetime) -> bool:
        return self.leg.may_settle_by(horizon)


class Repairs:
    """What operators do to deliveries."""

    def __init__(self, *, database: Database, dispatch: Dispatch) -> None:
        self._database = database
        self._dispatch = dispatch

    async def find(self, wanted: Filter) -> list[Listed]:
        async with self._database.searching() as conn:
            return await repairs.find(conn, wanted)

    async def retry(self, at: "Place", asked: Asked, reason: str | None) -> Mended:
        """Send again what stopped the leg, and then what it held up."""
        leg = await self._leg(at)
        ids = _stopped(leg)
        if not ids:
            raise _nothing_to_mend(leg)
        repair = Repair(asked.command, asked.actor.name, reason)
        async with self._database.connection() as conn:
            commands = await repairs.reopen(conn, ids, repair)
            await deliveries.announce_due(conn, [at.environment])
            await _record(conn, "leg.retried", at.path, asked, reason)
        return await self._follow(at, commands, asked)

    async def skip(self, at: "Place", asked: Asked, reason: str) -> Mended:
        """Leave the leg as it is: nothing more is sent to it for this round."""
        leg = await self._leg(at)
        ids = _stopped(leg)
        if not ids:
            raise _nothing_to_mend(leg)
        async with self._database.connection() as conn:
            await repairs.skip(conn, ids, Repair(asked.command, asked.actor.name, reason))
            await rounds.conclude(conn, [at.round])
            await _record(conn, "leg.skipped", at.path, asked, reason)
        return await self._look(at)

    async def cancel(self, at: "Place", asked: Asked, reason: str | None) -> Mended:
        """Cancel the round on this leg alone."""
        leg = await self._leg(at)
        async with self._database.connection() as conn:
            repair = Repair(asked.command, asked.actor.name, reason)
            if not await repairs.cancel_leg(conn, leg.leg_id, repair):
                raise _nothing_to_mend(leg)
            await deliveries.announce_due(conn, [at.environment])
            await _record(conn, "leg.cancelled", at.path, asked, reason)
        return await self._follow(at, [asked.command], asked)

    async def recover(
        self, wanted: Filter, asked: Asked, *, dry_run: bool, confirm: str | None
    ) -> Recovery:
        """Send again all that failed in a stretch of time, or say what would be."""
        async with self._database.searching() as conn:
            found = await repairs.find(conn, wanted)
        async with self._database.connection() as conn:
            chosen = tuple(one for one in found if left_out(one) is None)
            left = Counter(reason for one in found if (reason := left_out(one)))
            recovery = Recovery(chosen, dict(left), _confirmation(chosen), dry_run)
            if dry_run:
                return recovery
            since, until = wanted.since, wanted.until or self._database.now()
            if since is not None and until - since > WIDE and confirm != recovery.confirm:
                raise errors.Conflict(
                    "More than seven days at once need a dry run first: send its `confirm` along.",
                    code="dry_run_first",
                )
            repair = Repair(asked.command, asked.actor.name, "recovered")
            await repairs.reopen(conn, [one.id for one in chosen], repair)
            await deliveries.announce_due(conn, {one.environment for one in chosen})
            await audit.record(
                conn,
                actor=asked.actor.name,
                action="deliveries.recovered",
                subject="deliveries",
                after={"since": rfc3339(since), "until": rfc3339(until), "count": len(chosen)}
                if since
                else {"count": len(chosen)},
                address=asked.actor.address,
            )
        return recovery

    async def _follow(self, at: "Place", commands: Sequence[str], asked: Asked) -> Mended:
        return await self._dispatch.follow(commands, partial(self._look, at), wait=asked.wait)

    async def _look(self, at: "Place") -> Mended:
        round_ = await self._dispatch.read(at.round)
        [leg] = (leg for leg in round_.legs if (leg.environment, leg.game_code) == at.leg)
        return Mended(round_, leg)

    async def _leg(self, at: "Place") -> Mendable:
        await self._dispatch.read(at.round)
        async with self._database.connection() as conn:
            leg = await repairs.leg(conn, at.round, at.environment, at.game_code)
        if leg is None:
            raise errors.NotFound(
                f"The round has no leg {at.environment}/{at.game_code}.", code="unknown_leg"
            )
        if any(one.state == "sending" for one in leg.deliveries):
            raise errors.Conflict(
                "A command of this leg is under way: wait for its outcome.",
                code="leg_busy",
                retry_after_s=1,
            )
        return leg


@dataclass(frozen=True, slots=True)
class Place:
    """A leg by its address."""

    round: str
    environment: str
    game_code: str

    @property
    def leg(self) -> tuple[str, str]:
        return self.environment, self.game_code

    @property
    def path(self) -> str:
        return f"rounds/{self.round}/legs/{self.environment}/{self.game_code}"


async def _record(
    conn: Connection, action: str, subject: str, asked: Asked, reason: str | None
) -> None:
    await audit.record(
        conn,
        actor=asked.actor.name,
        action=action,
        subject=subject,
        after={"command": asked.command, "reason": reason},
        address=asked.actor.address,
    )


def _stopped(leg: Mendable) -> list[str]:
    """Give what is not done on the leg and still could be: the failed one and what waits behind."""
    if leg.leg_state in ("finished", "cancelled"):
        return []
    kept = [one for one in leg.deliveries if one.state not in ("accepted", "skipped")]
    if leg.round_state == "cancelled":
        kept = [one for one in kept if one.kind == Kind.CANCEL]
    if leg.leg_state != "opened":
        kept = [one for one in kept if one.kind != Kind.BET_STOP]
    if leg.round_state != "open":
        # The round went on without it: a start now would open bets on a result already known.
        kept = [one for one in kept if one.kind != Kind.START]
        if leg.leg_state in ("failed", "pending"):
            kept = [one for one in kept if one.kind == Kind.CANCEL]
    return [one.id for one in kept]


def _nothing_to_mend(leg: Mendable) -> errors.Conflict:
    return errors.Conflict(
        f"The leg is {leg.leg_state} and owes nothing: there is nothing to mend.",
        code="leg_settled",
    )


def _confirmation(chosen: Sequence[Listed]) -> str:
    return hashlib.sha256("".join(one.id for one in chosen).encode()).hexdigest()[:16]
