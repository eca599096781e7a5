"""Configuration: the versions of each environment, read, and changed by whoever may."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from fleetkit import errors
from fleetkit.database import Database
from gateway.adapters.catalog import Catalog
from gateway.services.changes import Change, Changes, Intent, Stand
from ledger.domain import differences
from ledger.domain.actors import Actor
from ledger.domain.config import Environment, Target
from ledger.domain.differences import Difference
from ledger.store import config
from ledger.store.config import Entry, Version
from ledger.store.documents import Documents


class Config:
    """The environments' documents."""

    def __init__(
        self, *, database: Database, catalog: Catalog, documents: Documents, changes: Changes
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._documents = documents
        self._changes = changes

    async def all(self) -> list[Version]:
        await self._catalog.refresh()
        return await self._catalog.environments()

    async def get(self, environment: str, version: int | None = None) -> Version:
        found = await self._documents.get(environment, version)
        if found is None:
            raise _unknown(environment, version)
        return found

    async def history(self, environment: str, *, below: int | None, limit: int) -> list[Entry]:
        async with self._database.connection() as conn:
            found = await config.history(conn, environment, below=below, limit=limit)
        if not found and below is None:
            raise _unknown(environment)
        return found

    async def diff(
        self, environment: str, start: int | None, end: int | None
    ) -> tuple[int, int, list[Difference]]:
        """Compare two versions: the newest, and the one before the other, unless they are named."""
        new = await self.get(environment, end)
        first = max(0, new.version - 1) if start is None else start
        old = (await self.get(environment, first)).document if first else None
        return first, new.version, differences.between(old, new.document)

    async def put(self, document: Environment, intent: Intent) -> Change:
        """Add a version; stale when somebody else has added one since the expected one."""
        [change] = await self._changes.make([document.environment], lambda _: [document], intent)
        return change

    async def put_target(
        self, environment: str, target: Target, intent: Intent
    ) -> tuple[Change, bool]:
        """Add or replace one target; tell whether it is new."""
        new = False

        def edit(stands: Mapping[str, Stand]) -> list[Environment]:
            nonlocal new
            document = _document(environment, stands)
            known = document.target(target.id)
            new = known is None
            _check_tables(intent.actor, target, known)
            if known is None:
                return [_with_tables(document, [*document.tables, target])]
            tables = [target if one.id == target.id else one for one in document.tables]
            return [_with_tables(document, tables)]

        [change] = await self._changes.make([environment], edit, intent)
        return change, new

    async def remove_target(
        self, environment: str, game_code: str, intent: Intent, *, drain: bool
    ) -> Change:
        """Take a target out; with an open round only to drain: the round ends where it began."""

        def edit(stands: Mapping[str, Stand]) -> list[Environment]:
            document = _document(environment, stands)
            known = document.target(game_code)
            if known is None:
                raise errors.NotFound(
                    f"{environment} has no table {game_code}.", code="unknown_table"
                )
            _check_tables(intent.actor, known)
            round_id = stands[environment].open_rounds.get(game_code)
            if round_id is not None and not drain:
                raise errors.Conflict(
                    f"{game_code} has the open round {round_id} in {environment}: finish or cancel "
                    "it first, or send drain=true to let it run to its end.",
                    code="table_in_round",
                    extra={"round": round_id},
                )
            left = [one for one in document.tables if one.id != game_code]
            return [_with_tables(document, left)]

        [change] = await self._changes.make([environment], edit, intent)
        return change

    async def rollback(self, environment: str, version: int, intent: Intent) -> Change:
        """Write an old document again, as the newest version."""
        found = await self.get(environment, version)
        return await self.put(found.document, intent)


def _document(environment: str, stands: Mapping[str, Stand]) -> Environment:
    stand = stands[environment]
    if stand.entry is None:
        raise _unknown(environment)
    if stand.document is None:
        raise errors.Conflict(
            f"The newest version of {environment} can't be used: put a whole one over it.",
            code="unusable_version",
        )
    return stand.document


def _with_tables(document: Environment, tables: Sequence[Target]) -> Environment:
    """Build it anew, so that what the targets must be to each other is checked again."""
    whole = document.model_dump(mode="json", by_alias=True)
    try:
        return Environment.model_validate(
            {**whole, "tables": [target.model_dump(mode="json") for target in tables]}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        at = ".".join(["body", *(str(part) for part in first["loc"][2:])])
        raise errors.Invalid(f"{at}: {first['msg']}.", field=at) from error


def _check_tables(actor: Actor, *targets: Target | None) -> None:
    for target in targets:
        if target is not None:
            actor.check_table(target.table)


def _unknown(environment: str, version: int | None = None) -> errors.NotFound:
    if version is not None:
        return errors.NotFound(f"{environment} has no version {version}.", code="unknown_version")
    return errors.NotFound(f"There is no environment {environment}.", code="unknown_environment")
