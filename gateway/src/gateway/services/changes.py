"""Changes of configuration: in turn under Postgres's lock, written whole, told to all replicas."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from asyncpg import UniqueViolationError

from fleetkit import errors
from fleetkit.database import Connection, Database
from gateway.adapters import reach
from gateway.adapters.catalog import Catalog
from gateway.domain import cautions
from ledger.domain import differences
from ledger.domain.actors import Actor
from ledger.domain.config import Environment
from ledger.domain.differences import Difference
from ledger.store import audit, config, events
from ledger.store.config import Entry, Version

MOST_AUDITED: Final = 200
"""Differences of one change that the audit list holds; the versions hold all of them."""

Tell = Callable[[str, int], Awaitable[None]]
"""Tells all replicas that an environment has a new version."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Who changes it, why, over which version, and whether it is only tried."""

    actor: Actor
    action: str
    reason: str | None = None
    expected: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a change does to an environment; `version` is None where it was only tried."""

    environment: str
    before: int | None
    version: Version | None
    diff: Sequence[Difference]
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Stand:
    """The newest version under the lock; its document is None where our rules can't read it."""

    entry: Entry | None
    document: Environment | None
    open_rounds: Mapping[str, str]

    @property
    def version(self) -> int | None:
        return self.entry.version if self.entry else None


Edit = Callable[[Mapping[str, Stand]], Sequence[Environment]]
"""Gives the new documents from what stands; an environment it leaves out stays as it is."""


class Changes:
    """Carries out changes of documents."""

    def __init__(self, *, database: Database, catalog: Catalog, tell: Tell) -> None:
        self._database = database
        self._catalog = catalog
        self._tell = tell

    async def make(self, names: Sequence[str], edit: Edit, intent: Intent) -> list[Change]:
        """Write new versions of these environments, all of them or none.

        Postgres decides who comes first: under its lock the newest version can't change meanwhile.
        """
        changes: list[Change] = []
        others = {one.environment: one.document for one in await self._catalog.environments()}
        async with self._database.transaction() as conn:
            await config.hold(conn, names)
            stands = {name: await _stand(conn, name) for name in names}
            for name, stand in stands.items():
                if intent.expected is not None and intent.expected != (stand.version or 0):
                    raise _stale(name)
            edited = edit(stands)
            others |= {one.environment: one for one in edited}
            for document in edited:
                stand = stands[document.environment]
                changes.append(await self._write(conn, document, stand, intent, others))
        if not intent.dry_run:
            await self._catalog.refresh()
            for change in changes:
                if change.version is not None:
                    await self._tell(change.environment, change.version.version)
        return await asyncio.gather(
            *(_warned(change, one) for change, one in zip(changes, edited, strict=True))
        )

    async def _write(
        self,
        conn: Connection,
        document: Environment,
        stand: Stand,
        intent: Intent,
        others: Mapping[str, Environment],
    ) -> Change:
        name = document.environment
        diff = differences.between(stand.document, document)
        warnings = cautions.of(
            document,
            before=stand.document,
            version=stand.version,
            others=others,
            open_rounds=stand.open_rounds,
        )
        if intent.dry_run:
            return Change(name, stand.version, None, diff, warnings)
        try:
            number = await config.put(
                conn,
                document,
                author=intent.actor.name,
                reason=intent.reason,
                expected=stand.version or 0,
            )
        except UniqueViolationError as error:
            raise _stale(name) from error
        if number is None:
            raise _stale(name)
        told = diff[:MOST_AUDITED]
        await audit.record(
            conn,
            actor=intent.actor.name,
            action=intent.action,
            subject=name,
            before={"version": stand.version, "values": {one.path: one.before for one in told}},
            after={
                "version": number,
                "reason": intent.reason,
                "values": {one.path: one.after for one in told},
            },
            address=intent.actor.address,
        )
        await events.publish(
            conn,
            type="config.changed",
            environment=name,
            data={"version": number, "author": intent.actor.name, "reason": intent.reason},
        )
        version = await config.get(conn, name, number)
        return Change(name, stand.version, version, diff, warnings)


async def _warned(change: Change, document: Environment) -> Change:
    """Say too whether the Table API can be reached: asked when all is written, and from here."""
    why = await reach.why_unreachable(document.base_url)
    if why is None:
        return change
    sentence = f"base_url: {document.base_url} can't be reached from here now ({why})."
    return replace(change, warnings=[sentence, *change.warnings])


async def _stand(conn: Connection, environment: str) -> Stand:
    entry = await config.entry(conn, environment)
    rounds = await config.open_targets(conn, environment)
    try:
        found = await config.get(conn, environment)
    except errors.Conflict:
        found = None  # a whole document may still be put over it
    return Stand(entry, found.document if found else None, rounds)


def _stale(environment: str) -> errors.Stale:
    return errors.Stale(
        f"{environment} has changed meanwhile: read it again, then put yours.",
        code="stale_version",
    )
