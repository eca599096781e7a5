"""The configuration files of the scripts that went before: one table, a target per environment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.domain import results
from ledger.domain.config import Environment

PRIMARY: Final = "PRD"
"""The one environment that was never to be lost; it is required when it is made by an import."""

_KNOWN: Final = frozenset({"name", "get_url", "post_url", "game_code", "table_token"})
_SECRET: Final = re.compile(
    r"token|secret|password|signature|authorization|api_?key", re.IGNORECASE
)
_REFERENCE: Final = re.compile(r"(env:[A-Za-z_]\w*|file:/.+)", re.ASCII)
_NAME: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,31})(?:-([1-9][0-9]?))?", re.ASCII)
_URL: Final = re.compile(r"(https?://[^\s?#]+?)/tables/?")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that can't be taken over, by its place."""

    field: str
    detail: str


@dataclass(frozen=True, slots=True)
class OldTarget:
    """One entry, read."""

    at: str
    environment: str
    number: int
    base_url: str
    game_code: str
    table_token: str | None


@dataclass(slots=True)
class Reading:
    """What a file says, what is wrong in it and what is only odd."""

    targets: list[OldTarget] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def refuse(self, at: str, detail: str) -> None:
        self.wrong.append(Wrong(at, detail))


def read(content: object, rename: Mapping[str, str]) -> Reading:
    """Read a list of entries, or a map of them by name."""
    reading = Reading()
    seen: set[tuple[str, str]] = set()
    for at, entry in _entries(content, reading):
        found = _read_entry(at, entry, rename, reading)
        if found is None:
            continue
        if (found.environment, found.game_code) in seen:
            reading.refuse(
                f"{at}.game_code", f"{found.game_code} stands twice in {found.environment}"
            )
        seen.add((found.environment, found.game_code))
        reading.targets.append(found)
    if not reading.targets and not reading.wrong:
        reading.refuse("body", "holds no entry")
    return reading


def _entries(content: object, reading: Reading) -> Iterator[tuple[str, Mapping[str, object]]]:
    named: list[tuple[str, object]]
    if isinstance(content, Mapping):
        named = []
        for name, value in content.items():
            entries = value if isinstance(value, list) else [value]
            named += [
                (
                    f"body.{str(name)[:32]}",
                    {"name": name, **one} if isinstance(one, Mapping) else one,
                )
                for one in entries
            ]
    elif isinstance(content, Sequence) and not isinstance(content, str | bytes):
        named = [(f"body.{place}", one) for place, one in enumerate(content)]
    else:
        reading.refuse("body", "is neither a list of entries nor a map of them by name")
        return
    for at, one in named:
        if isinstance(one, Mapping):
            yield at, one
        else:
            reading.refuse(at, "is no entry: it needs name, get_url, post_url and game_code")


def _read_entry(
    at: str, entry: Mapping[str, object], rename: Mapping[str, str], reading: Reading
) -> OldTarget | None:
    before = len(reading.wrong)
    name = _NAME.fullmatch(str(entry.get("name", "")))
    if name is None:
        reading.refuse(f"{at}.name", "is no environment: write CIT, or CIT-2 for a further target")
    given = name[1] if name else ""
    environment = rename.get(given, given).upper()
    base_url = _read_base(at, entry, reading)
    code = entry.get("game_code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        reading.refuse(f"{at}.game_code", "is no code of a table, such as ARO-001")
    token = _read_secrets(at, entry, environment, reading)
    unknown = sorted(
        str(key) for key in entry if key not in _KNOWN and not _SECRET.search(str(key))
    )
    if unknown:
        reading.odd.append(f"{at}: left out, as it means nothing here: {', '.join(unknown)}.")
    if len(reading.wrong) > before or name is None or base_url is None:
        return None
    return OldTarget(at, environment, int(name[2] or 1), base_url, str(code), token)


def _read_base(at: str, entry: Mapping[str, object], reading: Reading) -> str | None:
    bases: dict[str, str] = {}
    for key in ("get_url", "post_url"):
        url = entry.get(key)
        if url is None:
            continue
        found = _URL.fullmatch(url) if isinstance(url, str) else None
        if found is None:
            reading.refuse(f"{at}.{key}", "is no address that ends in /tables/")
            return None
        bases[key] = found[1]
    if not bases:
        reading.refuse(f"{at}.post_url", "is missing")
        return None
    if len(set(bases.values())) > 1:
        reading.refuse(f"{at}.get_url", "is another address than post_url; here both are one")
        return None
    return next(iter(bases.values()))


def _read_secrets(
    at: str, entry: Mapping[str, object], environment: str, reading: Reading
) -> str | None:
    """Give the reference to the table token; refuse a token that stands there itself."""
    token = None
    for key, value in entry.items():
        if not _SECRET.search(str(key)) or value in (None, ""):
            continue
        if key == "table_token" and isinstance(value, str) and _REFERENCE.fullmatch(value):
            token = value
        elif key == "access_token":
            reading.refuse(
                f"{at}.access_token",
                "tokens are not kept in the configuration: leave it out, for the session is "
                "opened by the fleet itself",
            )
        else:
            variable = f"{environment or 'CIT'}_{str(key).upper().replace('-', '_')}"
            reading.refuse(
                f"{at}.{key}",
                "tokens are not kept in the configuration: put it into a file or a variable of "
                f'the table-service and write its reference, such as "env:{variable}" or '
                f'"file:/run/secrets/{variable.lower()}", as table_token or signature',
            )
    return token


def guess_table(reading: Reading) -> str | None:
    """Give the table that all targets are named after, if there is one."""
    codes = {target.game_code for target in reading.targets if target.number == 1}
    return codes.pop() if len(codes) == 1 else None


def guess_type(table: str, standing: Mapping[str, Environment]) -> tuple[str, bool]:
    """Give the table's type, and whether it is known from other environments."""
    for document in standing.values():
        for target in document.tables:
            if target.table == table:
                return target.type, True
    for prefix, kind in (
        ("SB", "sicbo"),
        ("SIC", "sicbo"),
        ("BAC", "baccarat"),
        ("BCR", "baccarat"),
    ):
        if table.upper().startswith(prefix):
            return kind, False
    return next(iter(results.FIELD)), False


@dataclass(slots=True)
class _Draft:
    document: dict[str, object]
    tables: dict[str, dict[str, object]]


def lay(
    reading: Reading, table: str, game_type: str, standing: Mapping[str, Environment]
) -> dict[str, dict[str, object]]:
    """Lay the targets into the environments' documents; what does not fit is put down as wrong."""
    drafts: dict[str, _Draft] = {}
    for old in reading.targets:
        draft = drafts.get(old.environment)
        if draft is None:
            draft = drafts[old.environment] = _open(old, standing.get(old.environment))
        if str(draft.document["base_url"]).rstrip("/") != old.base_url:
            reading.refuse(
                f"{old.at}.post_url",
                f"{old.environment} is at {draft.document['base_url']}: change that first, "
                "or take this in under another name",
            )
        if old.table_token is not None:
            draft.document["table_token"] = old.table_token
        new = {"id": old.game_code, "table": table, "type": game_type, "priority": old.number}
        known = draft.tables.setdefault(old.game_code, new)
        if known["table"] != table:
            reading.refuse(
                f"{old.at}.game_code",
                f"{old.game_code} belongs to the table {known['table']} in {old.environment}",
            )
        known["type"] = game_type
    return {
        name: {**draft.document, "tables": list(draft.tables.values())}
        for name, draft in drafts.items()
    }


def _open(old: OldTarget, standing: Environment | None) -> _Draft:
    if standing is None:
        document: dict[str, object] = {
            "environment": old.environment,
            "base_url": old.base_url,
            "primary": old.environment == PRIMARY,
        }
        return _Draft(document, {})
    document = standing.model_dump(mode="json", by_alias=True)
    tables = {target.id: target.model_dump(mode="json") for target in standing.tables}
    return _Draft(document, tables)


def write(table: str, standing: Mapping[str, Environment]) -> list[dict[str, object]]:
    """Write a table as the old scripts had it; a further target of an environment has a suffix."""
    entries: list[dict[str, object]] = []
    for name, document in sorted(standing.items()):
        url = f"{document.base_url.rstrip('/')}/tables/"
        targets = [one for one in document.tables if one.table == table]
        for place, target in enumerate(sorted(targets, key=lambda one: (one.priority, one.id)), 1):
            entry: dict[str, object] = {
                "name": name if place == 1 else f"{name}-{place}",
                "get_url": url,
                "post_url": url,
                "game_code": target.id,
            }
            if document.table_token is not None:
                entry["table_token"] = document.table_token
            entries.append(entry)
    return entries
