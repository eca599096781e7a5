"""Which replica runs which version of the configuration, as they tell of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from fleetkit import errors
from fleetkit.registry import Registry, Replica
from ledger.store.config import Entry
from ledger.store.documents import Documents


@dataclass(frozen=True, slots=True)
class Running:
    """What one replica runs of an environment, and what it refused."""

    instance: str
    service: str
    version: int | None
    refused: Mapping[str, object] | None
    heartbeat: datetime | None


@dataclass(frozen=True, slots=True)
class Stand:
    """An environment's newest version and who runs it."""

    environment: str
    version: int
    replicas: tuple[Running, ...]

    @property
    def in_force(self) -> bool:
        return all(one.version == self.version for one in self.replicas)


@dataclass(frozen=True, slots=True)
class Stands:
    """All environments; nothing is known of replicas while the registry is away."""

    reached: bool
    environments: tuple[Stand, ...]


class Standings:
    """Holds the registry against the ledger."""

    def __init__(self, *, documents: Documents, registry: Registry) -> None:
        self._documents = documents
        self._registry = registry

    async def read(self) -> Stands:
        newest = await self._documents.newest()
        try:
            replicas = await self._registry.services()
        except errors.Unavailable:
            replicas, reached = [], False
        else:
            reached = True
        return Stands(reached, tuple(_stand(entry, replicas) for entry in newest))


def _stand(entry: Entry, replicas: list[Replica]) -> Stand:
    """Gateways run all environments, the replicas of a pool its own."""
    name = entry.environment
    concerned = [one for one in replicas if name in one.config or one.environment == name]
    return Stand(name, entry.version, tuple(_running(one, name) for one in concerned))


def _running(replica: Replica, environment: str) -> Running:
    told = replica.config.get(environment) or {}
    return Running(
        instance=replica.instance,
        service=replica.service,
        version=cast("int | None", told.get("version")),
        refused=cast("Mapping[str, object] | None", told.get("refused")),
        heartbeat=replica.heartbeat,
    )
