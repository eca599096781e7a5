"""The roll of replicas: who is there, and word of those who went without saying so."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from fleetkit import errors, logs
from fleetkit.database import Database
from fleetkit.registry import Registry, Replica
from ledger.domain.actors import Actor
from ledger.store import services

log = logs.get(__name__)

LOOK_EVERY_S: Final = 2.0
KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Called:
    """Who is there; `degraded` when Redis is away and only the ledger could be asked."""

    replicas: tuple[Replica, ...]
    degraded: bool

    def within(self, actor: Actor) -> "Called":
        """Leave out the replicas of environments that the actor does not see, and word of those."""
        seen = [
            replace(
                one, config={n: told for n, told in one.config.items() if actor.sees_environment(n)}
            )
            for one in self.replicas
            if one.environment is None or actor.sees_environment(one.environment)
        ]
        return replace(self, replicas=tuple(seen))


class Roll:
    """What gateways know of all replicas."""

    def __init__(self, *, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry

    async def call(self) -> Called:
        try:
            return Called(tuple(await self._registry.services()), degraded=False)
        except errors.Unavailable:
            async with self._database.connection() as conn:
                present = await services.present(conn)
        replicas = [
            Replica(
                service=one.service,
                instance=one.instance,
                environment=one.environment,
                version=one.version,
                url=one.url,
                started=one.started_at,
                heartbeat=None,
            )
            for one in present
        ]
        return Called(tuple(replicas), degraded=True)

    async def watch(self) -> None:
        """Note who was lost; every gateway looks, and the ledger takes each going once."""
        while True:
            try:
                await self._look()
            except errors.Unavailable:
                pass  # nobody is taken for gone as long as that can't be known
            except Exception:
                log.exception("roll_not_called")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        async with self._database.connection() as conn:
            present = await services.present(
                conn, for_at_least=timedelta(seconds=self._registry.ttl_s)
            )
        if not present:
            return
        missing = await self._registry.missing([one.instance for one in present])
        for one in present:
            if one.instance in missing:
                async with self._database.connection() as conn:
                    await services.leave(conn, one.instance, one.started_at, "lost")
                log.warning("replica_lost", instance=one.instance)
        async with self._database.connection() as conn:
            await services.purge(conn, older_than=KEPT)
