"""Configuration: read, put, compare and go back, by environment and version."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from pitboss_cli import grid, moments
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.refusals import BadUse, Exit, Refusal
from pitboss_cli.session import Session, check_word, here
from pitboss_cli.verbs import TABLE, Verbs, once

ROOT = "/v1/config/environments"
_SIGNS = {"add": ("+", Ink.GREEN), "remove": ("-", Ink.RED), "change": ("~", Ink.YELLOW)}

_reason = click.option("--reason", help="Why, for whoever reads the versions later.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only show the difference and the errors.")


@click.group(cls=Verbs)
def config() -> None:
    """Read and change the environments' configuration (changes: role admin)."""


@config.command("list")
@here
def find(session: Session) -> None:
    """List the environments with their newest version."""
    session.show(session.api.get(ROOT), _draw_all)


def _draw_all(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = [
        (
            one["environment"],
            one["version"],
            moments.show(one["created_at"]),
            one["author"],
            len(one["config"]["tables"]),
            one["config"]["base_url"],
        )
        for one in answer.document["environments"]
    ]
    if not rows:
        return ["There is no configuration yet; put one: pitboss config put FILE"]
    return grid.draw(("ENVIRONMENT", "VERSION", "MADE", "BY", "TARGETS", "ADDRESS"), rows, paint)


@config.command("get")
@click.argument("environment")
@click.option("--version", type=click.IntRange(1), help="An earlier one. [the newest]")
@here
def get(session: Session, environment: str, version: int | None) -> None:
    """Print the document of ENVIRONMENT, as `put` takes it; --json with version and author."""
    at = f"/versions/{version}" if version is not None else ""
    answer = session.api.get(f"{ROOT}/{check_word(environment)}{at}")
    session.show(answer, lambda answer, _: [json.dumps(answer.document["config"], indent=2)])


@config.command("put")
@click.argument("file")
@click.option("--if-version", type=click.IntRange(0), help="Only over this version.")
@_reason
@_dry_run
@here
def put(
    session: Session, *, file: str, if_version: int | None, reason: str | None, dry_run: bool
) -> None:
    """Put the document in FILE (- for standard input) as its environment's newest version."""
    document = _read(file)
    environment = document.get("environment") if isinstance(document, dict) else None
    if not isinstance(environment, str):
        raise BadUse(f"{file} names no environment: it needs an object with that field.")
    match = {} if if_version is None else {"if-match": f'"{if_version}"'}
    path = f"{ROOT}/{check_word(environment)}"
    query = {"dry_run": "true" if dry_run else None, "reason": reason}
    with _input():
        answer = session.api.put(path, document, match, query)
    _tell(session, answer)


@contextmanager
def _input() -> Iterator[None]:
    """Tell a document that is refused as it is from one that only did not fit the moment."""
    try:
        yield
    except Refusal as refusal:
        if refusal.status not in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise
        raise BadUse(str(refusal), refusal.raw, refusal.status) from refusal


def _read(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise BadUse(f"{file} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadUse(f"{file} is not JSON: {error}.") from error


@config.command("import")
@click.argument("file")
@click.option("--table", type=TABLE, help="The table an old file is of.")
@click.option("--type", "game", help="Its game, where it is not known yet.")
@click.option("--rename", multiple=True, metavar="OLD:OURS", help="A name in the file and ours.")
@_reason
@_dry_run
@once
@here
def take(
    session: Session,
    *,
    file: str,
    table: str | None,
    game: str | None,
    rename: tuple[str, ...],
    reason: str | None,
    dry_run: bool,
    key: str | None,
) -> None:
    """Import an old table-config file, or an export."""
    query = {
        "table": table,
        "type": game,
        "rename": rename or None,
        "reason": reason,
        "dry_run": "true" if dry_run else None,
    }
    with _input():
        answer = session.api.post("/v1/config/import", _read(file), key, query)
    _tell(session, answer)


@config.command("export")
@click.option("--table", type=TABLE, help="Only this one, in the old form.")
@here
def export(session: Session, table: str | None) -> None:
    """Print the whole configuration, as `import` takes it."""
    click.echo(session.api.get("/v1/config/export", {"table": table}).text)


@config.command("history")
@click.argument("environment")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@here
def history(session: Session, environment: str, limit: int) -> None:
    """List the versions of ENVIRONMENT: who made each, when and why."""
    path = f"{ROOT}/{check_word(environment)}/versions"
    session.show(session.api.get(path, {"limit": limit}), _draw_history)


def _draw_history(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = [
        (one["version"], moments.show(one["created_at"]), one["author"], one["reason"])
        for one in answer.document["versions"]
    ]
    return grid.draw(("VERSION", "MADE", "BY", "REASON"), rows, paint)


@config.command("diff")
@click.argument("environment")
@click.option("--from", "start", type=click.IntRange(0), help="[the one before the newest]")
@click.option("--to", type=click.IntRange(1), help="[the newest]")
@here
def diff(session: Session, environment: str, start: int | None, to: int | None) -> None:
    """Show what differs between two versions of ENVIRONMENT."""
    path = f"{ROOT}/{check_word(environment)}/diff"
    session.show(session.api.get(path, {"from": start, "to": to}), _draw_diff)


def _draw_diff(answer: Answer, paint: Paint) -> list[str]:
    found = answer.document
    head = f"{found['environment']} {found['from']} -> {found['to']}"
    return [head, *(_differences(found["diff"], paint) or ["  nothing differs"])]


def _differences(found: list[dict[str, Any]], paint: Paint) -> list[str]:
    lines = []
    for one in found:
        sign, ink = _SIGNS.get(one["op"], ("?", Ink.PLAIN))
        sides = [one[side] for side in ("before", "after") if _has(one, side)]
        values = " -> ".join(json.dumps(side, ensure_ascii=False) for side in sides)
        lines.append("  " + paint(tame(f"{sign} {one['path']}: {values}"), ink))
    return lines


def _has(difference: dict[str, Any], side: str) -> bool:
    return str(difference["op"]) != {"before": "add", "after": "remove"}[side]


@config.command("rollback")
@click.argument("environment")
@click.argument("version", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for whoever reads the versions later.")
@_dry_run
@once
@here
def roll_back(
    session: Session, *, environment: str, version: int, reason: str, dry_run: bool, key: str | None
) -> None:
    """Make an old VERSION of ENVIRONMENT the newest again."""
    path = f"{ROOT}/{check_word(environment)}/rollback"
    query = {"dry_run": "true" if dry_run else None}
    _tell(session, session.api.post(path, {"version": version, "reason": reason}, key, query))


@config.command("status")
@here
def status(session: Session) -> None:
    """Show which replica runs which version; ends with 1 where one does not run the newest."""
    answer = session.api.get("/v1/config/status")
    session.show(answer, _draw_status)
    if any(one["in_force"] is False for one in answer.document["environments"]):
        session.end(Exit.FAILED)


def _draw_status(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = []
    for one in answer.document["environments"]:
        for replica in one["replicas"] or [{}]:
            fine = replica.get("version") == one["version"]
            refused = replica.get("refused") or {}
            rows.append(
                (
                    one["environment"],
                    one["version"],
                    replica.get("instance"),
                    Cell(str(replica.get("version") or "-"), Ink.GREEN if fine else Ink.YELLOW),
                    Cell(f"{refused['version']}: {refused['reason']}" if refused else ""),
                )
            )
    lines = grid.draw(("ENVIRONMENT", "NEWEST", "REPLICA", "RUNS", "REFUSED"), rows, paint)
    if answer.document["registry"] == "away":
        lines.append("Redis is away, so who runs what is not known.")
    return lines


def _tell(session: Session, answer: Answer) -> None:
    """Show what a change did or would do; errors that a dry run found end as they would."""
    session.show(answer, _draw_change)
    if answer.document.get("errors"):
        session.end(Exit.BAD_USE)


def _draw_change(answer: Answer, paint: Paint) -> list[str]:
    done = answer.document
    lines = [f"error: {one['field']}: {one['detail']}" for one in done.get("errors", [])]
    for one in done.get("environments", [done] if "environment" in done else []):
        if done.get("dry_run"):
            lines.append(f"{one['environment']} over version {one['version'] or 'none'}:")
        else:
            lines.append(f"{one['environment']} is at version {one['version']}.")
        lines += _differences(one.get("diff", []), paint)
        if one is not done:
            lines += [f"  warning: {each}" for each in one.get("warnings", [])]
    lines += [f"warning: {each}" for each in done.get("warnings", [])]
    return [line if "\033" in line else tame(line) for line in lines] or ["Nothing changed."]
