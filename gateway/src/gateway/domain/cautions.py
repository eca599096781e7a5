"""What is allowed in a configuration and may still be a mistake, each as a sentence."""

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import urlsplit

from ledger.domain.config import Environment

MOST = 20


def of(
    document: Environment,
    *,
    before: Environment | None,
    version: int | None,
    others: Mapping[str, Environment],
    open_rounds: Mapping[str, str],
) -> list[str]:
    """List the first of them; `open_rounds` are by target."""
    found = islice(_all(document, before, version, others, open_rounds), MOST)
    return list(found)


def _all(
    document: Environment,
    before: Environment | None,
    version: int | None,
    others: Mapping[str, Environment],
    open_rounds: Mapping[str, str],
) -> Iterator[str]:
    yield from _of_the_way(document)
    yield from _of_rounds(document, before, version, open_rounds)
    yield from _of_types(document, others)
    yield from _of_backups(document)


def _of_the_way(document: Environment) -> Iterator[str]:
    url = urlsplit(document.base_url)
    if url.scheme == "http" and not _is_here(url.hostname or ""):
        yield "base_url: plain http, so tokens and results travel readable for all on the way."
    if not document.verify_tls:
        yield "verify_tls: off, so anybody on the way may pass for the Table API."


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _of_rounds(
    document: Environment,
    before: Environment | None,
    version: int | None,
    open_rounds: Mapping[str, str],
) -> Iterator[str]:
    kept = {target.id for target in document.tables if target.enabled}
    for target in before.tables if before else ():
        if target.id not in kept and target.id in open_rounds:
            yield (
                f"tables.{target.id}: its round {open_rounds[target.id]} is open, and runs to its "
                f"end on version {version}."
            )


def _of_types(document: Environment, others: Mapping[str, Environment]) -> Iterator[str]:
    elsewhere = {
        target.table: (target.type, name)
        for name, other in others.items()
        if name != document.environment
        for target in other.tables
        if target.enabled
    }
    for target in document.tables:
        kind, name = elsewhere.get(target.table, (target.type, ""))
        if target.enabled and kind != target.type:
            yield (
                f"tables.{target.id}.type: {target.table} is {target.type} here and {kind} in "
                f"{name}; its rounds can't start until they agree."
            )


def _of_backups(document: Environment) -> Iterator[str]:
    tables = {target.id: target.table for target in document.tables}
    for target in document.tables:
        for backup in target.backups:
            if "://" not in backup and backup not in tables:
                yield f"tables.{target.id}.backups: {backup} is no target here; is it a real code?"
