"""The way to the tables: a TableClient whose calls get lost, come late, or are refused by seed.

What is under way goes on when its caller dies: effects are timers of the loop, not of a task.
"""

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING

from ledger.domain import outcomes
from ledger.domain.deliveries import Attempt, Lease
from ledger.domain.outcomes import Answer, Cause, Failure, Verdict
from ledger.domain.steps import Reply
from simulation.chances import KINDS, LATEST_S, WEIGHTS
from simulation.clock import Process

if TYPE_CHECKING:
    from simulation.world import World

Seen = Answer | Failure

_JSON = "application/json"
_ALLOWED_S = {"get": 1.0}
_FENCED = ("start", "deal", "get")
_NO_EFFECT = {
    "session": Answer(403, _JSON, b'{"error":{"code":13040,"message":"session"}}', None),
    "session_twice": Answer(403, _JSON, b'{"error":{"code":13041,"message":"session"}}', None),
    "unavailable": Answer(503, _JSON, b'{"error":{"code":13042,"message":"service"}}', None),
    "unauthorised": Answer(401, _JSON, b"", None),
    "error_before": Answer(500, _JSON, b'{"error":{"code":1,"message":"oops"}}', None),
}
_AFTER_EFFECT = {
    "error_after": Answer(502, "text/html", b"<html>bad gateway</html>", None),
    "html": Answer(200, "text/html", b"<html>hello</html>", None),
    "cut": Answer(200, _JSON, b'{"error": null, "data": {"tab', None),
}
_AGAIN = ("session", "session_twice", "unavailable", "unauthorised")


class Network:
    """One replica's way to its environment's tables."""

    def __init__(
        self,
        world: "World",
        process: Process,
        environment: str,
        random: Random,
        *,
        probing: bool = False,
    ) -> None:
        self._probing = probing
        self._world = world
        self._process = process
        self._environment = environment
        self._random = random

    async def call(self, lease: Lease, operation: str, *, until: datetime) -> Reply:
        table = self._world.tables[lease.environment, lease.served_by]
        if self._probing:
            return await self._call(lease, operation, until)
        observer = self._world.observer
        observer.called(self._process.name, lease, operation, self._world.loop.now())
        if table.in_flight is not None:
            observer.crowded(lease, table.in_flight)
        table.in_flight = lease.id
        try:
            return await self._call(lease, operation, until)
        finally:
            table.in_flight = None

    async def _call(self, lease: Lease, operation: str, until: datetime) -> Reply:
        attempts: list[Attempt] = []
        verdict = await self._attempt(lease, operation, until, attempts)
        if verdict.refresh_session:
            self._world.count("session_refused")
            verdict = outcomes.refused_again(await self._attempt(lease, operation, until, attempts))
        return Reply(verdict, tuple(attempts), self._world.loop.now())

    async def _attempt(
        self, lease: Lease, operation: str, until: datetime, attempts: list[Attempt]
    ) -> Verdict:
        world = self._world
        began = world.loop.now()
        allowed = timedelta(seconds=_ALLOWED_S.get(operation, 2.0))
        seconds = min(allowed, until - began).total_seconds()
        if seconds <= 0:
            seen: Seen = Failure(sent=False, cause=Cause.TIMEOUT, detail="No time was left.")
        else:
            asked: asyncio.Future[Seen] = world.loop.create_future()
            self._send(asked, lease, operation, seconds)
            seen = await asked
        ended = world.loop.now()
        verdict = outcomes.classify(operation, seen, now=ended)
        if world.trace is not None:
            world.note(self._process.name, lease.id, operation, verdict.outcome, verdict.code)
        attempts.append(
            Attempt(
                began,
                operation,
                verdict.outcome,
                verdict.cause,
                seen.status if isinstance(seen, Answer) else None,
                verdict.code,
                verdict.detail,
                (ended - began).total_seconds() * 1000,
            )
        )
        world.crash_by_chance(self._process)
        return verdict

    def _send(
        self, asked: "asyncio.Future[Seen]", lease: Lease, operation: str, seconds: float
    ) -> None:
        world, random, loop = self._world, self._random, self._world.loop
        table = world.tables[lease.environment, lease.served_by]
        table.starts += operation == "start"
        there = 0.001 + random.random() * 0.02
        back = there + 0.001 + random.random() * 0.02
        weather = world.weather[self._environment]
        fault = None
        if loop.time() < weather.out_until:
            fault = weather.out_how
        elif random.random() < weather.call_fault:
            fault = random.choices(KINDS, WEIGHTS)[0]
        free_at = weather.hung.get(table.target, 0.0)
        if fault is None and free_at <= loop.time() and back < seconds:
            loop.call_later(there, self._effect, asked, lease, operation, back - there, None)
            return
        world.count(f"call_{fault or 'waits'}")
        lost = Failure(sent=True, cause=Cause.TIMEOUT, detail="No answer.")
        if free_at > loop.time() and fault != "refused":
            # the table takes one after the other: what comes behind a call that hangs waits for it
            there = free_at - loop.time() + 0.001
            back = there + 0.001
            loop.call_later(min(seconds, back), _tell, asked, lost if back >= seconds else None)
            loop.call_later(there, self._effect, asked, lease, operation, 0.0, None)
            return
        self._go_wrong(asked, lease, operation, fault or "slow", there=there, seconds=seconds)

    def _go_wrong(
        self,
        asked: "asyncio.Future[Seen]",
        lease: Lease,
        operation: str,
        fault: str,
        *,
        there: float,
        seconds: float,
    ) -> None:
        random, loop = self._random, self._world.loop
        lost = Failure(sent=True, cause=Cause.TIMEOUT, detail="No answer.")
        reset = Failure(sent=True, cause=Cause.CONNECTION, detail="The connection broke.")
        if fault == "refused":
            loop.call_later(
                0.001, _tell, asked, Failure(sent=False, cause=Cause.REFUSED, detail="Refused.")
            )
            return
        loop.call_later(seconds, _tell, asked, lost)
        if fault == "rate_limited":
            after = random.choice(("1", "3", "x", format_datetime(loop.now(), usegmt=True)))
            loop.call_later(there, _tell, asked, Answer(429, _JSON, b"", after))
        elif fault in _NO_EFFECT:
            loop.call_later(there, _tell, asked, _NO_EFFECT[fault])
        elif fault in _AFTER_EFFECT:
            loop.call_later(there, self._effect, asked, lease, operation, 0.0, _AFTER_EFFECT[fault])
        elif fault == "reset_after":
            loop.call_later(there, self._effect, asked, lease, operation, 0.0, reset)
        elif fault == "lost_after":
            loop.call_later(there, self._effect, asked, lease, operation, seconds, lost)
        elif fault == "slow":
            there = random.random() * seconds
            loop.call_later(there, self._effect, asked, lease, operation, 0.001, None)
        elif fault in ("straggler", "hang"):
            self._come_late(lease, operation, seconds, hangs=fault == "hang")

    def _come_late(self, lease: Lease, operation: str, seconds: float, *, hangs: bool) -> None:
        """Let the call take place when nobody waits for it any more."""
        world, random, loop = self._world, self._random, self._world.loop
        table = world.tables[lease.environment, lease.served_by]
        late = random.random() * LATEST_S
        if hangs:
            late = seconds + late * 0.4
            world.weather[self._environment].hung[table.target] = loop.time() + late
            loop.call_later(late, table.answer, operation, lease)
            return
        if operation in _FENCED or not world.safe.no_stragglers:
            world.count("late_effect")
        else:
            late = 0.0
        loop.call_later(seconds + late, self._straggle, lease, operation, table.starts)

    def _straggle(self, lease: Lease, operation: str, starts: int) -> None:
        """Let a call take place after its time, unless a newer start has made the table drop it."""
        table = self._world.tables[lease.environment, lease.served_by]
        if operation == "start" and table.starts != starts and self._world.safe.no_stragglers:
            return
        self._world.note("table", lease.id, operation, "STRAGGLES")
        table.answer(operation, lease)

    def _effect(
        self,
        asked: "asyncio.Future[Seen]",
        lease: Lease,
        operation: str,
        back: float,
        instead: Seen | None,
    ) -> None:
        """Let the call take place at the table, whoever is still there to hear of it."""
        table = self._world.tables[lease.environment, lease.served_by]
        answer = table.answer(operation, lease)
        if self._world.trace is not None:
            self._world.note("table", lease.id, operation, "answers", answer.status)
        self._world.crash_by_chance(self._process)
        if back > 0.0:
            self._world.loop.call_later(back, _tell, asked, instead or answer)
        else:
            _tell(asked, instead or answer)


def _tell(asked: "asyncio.Future[Seen]", seen: Seen | None) -> None:
    if seen is not None and not asked.done():
        asked.set_result(seen)


__all__ = ["Network"]
