"""What changed between two versions of an environment's configuration, value by value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ledger.domain.config import Environment

Value = object
Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that was added, removed or changed; `path` names tables by their code."""

    path: str
    op: Literal["add", "remove", "change"]
    before: Value = None
    after: Value = None


def between(before: Environment | None, after: Environment) -> list[Difference]:
    """List the differences in the order of the document, the tables by their code."""
    return list(_walk("", _tree(before), _tree(after)))


def _tree(environment: Environment | None) -> dict[str, object]:
    if environment is None:
        return {}
    document = environment.model_dump(mode="json", by_alias=True)
    tables = {str(target["id"]): target for target in document.pop("tables")}
    # The order of the list means nothing, so it is no difference.
    return {**document, "tables": dict(sorted(tables.items()))}


def _walk(path: str, before: Tree, after: Tree) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        at = f"{path}.{name}" if path else name
        old, new = before.get(name), after.get(name)
        if name not in after:
            yield Difference(at, "remove", before=old)
        elif name not in before and not (name == "tables" and not path):
            yield Difference(at, "add", after=new)
        elif isinstance(new, Mapping) and isinstance(old, Mapping | None):
            yield from _walk(at, old or {}, new)
        elif old != new:
            yield Difference(at, "change", before=old, after=new)
