"""Taking in the old scripts' files and our own exports, and giving them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from fleetkit import errors
from gateway.domain import oldfiles
from gateway.domain.oldfiles import Wrong
from gateway.services.changes import Change, Changes, Intent, Stand
from gateway.services.config import Config
from ledger.domain import results
from ledger.domain.config import Environment

WHOLE = "environments"
"""The one member of a file that holds whole documents, as an export without a table gives it."""


@dataclass(frozen=True, slots=True)
class Old:
    """What is known of an old file beside its content."""

    table: str | None = None
    type: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import did, or would do."""

    table: str | None
    changes: list[Change]
    warnings: list[str]
    wrong: list[Wrong]


class Imports:
    """Files in and out."""

    def __init__(self, config: Config, changes: Changes) -> None:
        self._config = config
        self._changes = changes

    async def take(self, content: object, old: Old, intent: Intent) -> Taken:
        """Take a file in, whole or not at all."""
        if isinstance(content, Mapping) and set(content) == {WHOLE}:
            return await self._take_whole(content[WHOLE], intent)
        reading = oldfiles.read(content, old.rename)
        intent.actor.check_environments(target.environment for target in reading.targets)
        table = old.table or oldfiles.guess_table(reading)
        if table is None and not reading.wrong:
            reading.wrong.append(Wrong("query.table", "is missing: say which table they are of"))
        if reading.wrong or table is None:
            return _refused(table, reading.wrong, intent)
        intent.actor.check_table(table)
        warnings = list(reading.odd)

        def edit(stands: Mapping[str, Stand]) -> list[Environment]:
            standing = _standing(stands)
            game_type = self._type(table, old.type, standing | known, warnings)
            documents = oldfiles.lay(reading, table, game_type, standing)
            found = [_build(name, one, reading.wrong) for name, one in documents.items()]
            if reading.wrong:
                raise _InvalidError
            return [
                one for one in found if one is not None and one != standing.get(one.environment)
            ]

        known = {one.environment: one.document for one in await self._config.all()}
        names = sorted({target.environment for target in reading.targets})
        try:
            changes = await self._changes.make(names, edit, intent)
        except _InvalidError:
            return _refused(table, reading.wrong, intent)
        return Taken(table, changes, warnings, [])

    async def _take_whole(self, content: object, intent: Intent) -> Taken:
        intent.actor.check_unlimited()
        wrong: list[Wrong] = []
        documents: dict[str, Environment] = {}
        entries = content if isinstance(content, list) else []
        if not entries:
            wrong.append(Wrong(f"body.{WHOLE}", "is no list of environments"))
        for place, one in enumerate(entries):
            built = _build(f"{WHOLE}.{place}", one, wrong)
            if built is None:
                continue
            if built.environment in documents:
                at = f"body.{WHOLE}.{place}.environment"
                wrong.append(Wrong(at, f"{built.environment} stands twice in the list"))
            documents[built.environment] = built
        if wrong:
            return _refused(None, wrong, intent)

        def edit(stands: Mapping[str, Stand]) -> list[Environment]:
            return [one for name, one in documents.items() if one != stands[name].document]

        return Taken(None, await self._changes.make(sorted(documents), edit, intent), [], [])

    async def give_old(self, table: str) -> list[dict[str, object]]:
        documents = {one.environment: one.document for one in await self._config.all()}
        entries = oldfiles.write(table, documents)
        if not entries:
            raise errors.NotFound(f"There is no table {table}.", code="unknown_table")
        return entries

    @staticmethod
    def _type(
        table: str, given: str | None, known: Mapping[str, Environment], warnings: list[str]
    ) -> str:
        if given is not None:
            canonical = results.normalize_type(given)
            if canonical is None:
                raise errors.Invalid(
                    f"{given} is no known game type.", code="unknown_game_type", field="query.type"
                )
            return canonical
        guessed, sure = oldfiles.guess_type(table, known)
        if not sure:
            warnings.append(f"type: taken for {guessed}; if that is wrong, import with type=...")
        return guessed


class _InvalidError(Exception):
    """The file does not fit what stands; what is wrong is put down."""


def _standing(stands: Mapping[str, Stand]) -> dict[str, Environment]:
    return {name: stand.document for name, stand in stands.items() if stand.document is not None}


def _build(at: str, document: object, wrong: list[Wrong]) -> Environment | None:
    try:
        return Environment.model_validate(document)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(str(part) for part in ("body", at, *one["loc"]))
            wrong.append(Wrong(place, str(one["msg"]).removeprefix("Value error, ")))
        return None


def _refused(table: str | None, wrong: list[Wrong], intent: Intent) -> Taken:
    """Refuse the file with all that is wrong in it; a dry run only tells."""
    if intent.dry_run:
        return Taken(table, [], [], wrong)
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise errors.Invalid(
        f"{first.field}: {first.detail}{more}",
        field=first.field,
        extra={"errors": [{"field": one.field, "detail": one.detail} for one in wrong[:20]]},
    )
