"""Keys: who may do what, and no longer."""

import click

from pitboss_cli import grid, moments
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint
from pitboss_cli.refusals import BadUse, Refusal
from pitboss_cli.session import Session, check_word, here
from pitboss_cli.verbs import MOMENT, WORDS, Verbs, body

_ROLES = ("device", "viewer", "dealer", "operator", "admin")


@click.group(cls=Verbs)
def keys() -> None:
    """List, make and revoke keys (role admin)."""


@keys.command("list")
@here
def find(session: Session) -> None:
    """List all keys with their last use."""
    session.show(session.api.get("/v1/keys"), _draw_all)


def _draw_all(answer: Answer, paint: Paint) -> list[str]:
    return _draw(answer.document["keys"], paint)


def _draw(found: list[dict[str, object]], paint: Paint) -> list[str]:
    rows: list[Row] = [
        (
            str(one["id"]),
            str(one["name"]),
            str(one["role"]),
            Cell(_limits(one["tables"])),
            Cell(_limits(one["environments"])),
            moments.show(one["last_used_at"]),
            Cell(*_standing(one)),
        )
        for one in found
    ]
    head = ("ID", "NAME", "ROLE", "TABLES", "ENVIRONMENTS", "LAST USED", "STANDING")
    return grid.draw(head, rows, paint)


def _limits(found: object) -> str:
    return ",".join(map(str, found)) if isinstance(found, list) else "all"


def _standing(one: dict[str, object]) -> tuple[str, Ink]:
    if one["revoked_at"]:
        return f"revoked {moments.show(one['revoked_at'])}", Ink.RED
    if one["expires_at"]:
        return f"until {moments.show(one['expires_at'])}", Ink.YELLOW
    return "in force", Ink.GREEN


@keys.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True)
@click.option("--tables", type=WORDS, help="For these only. [all]")
@click.option("--environments", type=WORDS, help="For these only. [all]")
@click.option("--expires-at", type=MOMENT, help="When it ends by itself.")
@here
def add(
    session: Session,
    *,
    name: str,
    role: str,
    tables: list[str] | None,
    environments: list[str] | None,
    expires_at: str | None,
) -> None:
    """Make a key for NAME; the key alone goes to standard output, this once."""
    asked = body(
        name=check_word(name),
        role=role,
        tables=tables,
        environments=environments,
        expires_at=expires_at,
    )
    # Without an Idempotency-Key: its answers are kept, and a secret must not be.
    answer = session.api.post("/v1/keys", asked, once=False)
    if session.as_json:
        click.echo(answer.text)
        return
    made = answer.document
    click.echo(f"{made['name']} has the key {made['id']}, shown this once:", err=True)
    click.echo(made["key"])


@keys.command("revoke")
@click.argument("key", metavar="ID|NAME")
@here
def revoke(session: Session, key: str) -> None:
    """Revoke a key at once, on every gateway."""
    found = _find(session, check_word(key))
    answer = session.api.delete(f"/v1/keys/{found}")
    session.show(answer, lambda answer, paint: _draw([answer.document], paint))


def _find(session: Session, key: str) -> str:
    """Take a name for the one key in force under it."""
    known = session.api.get("/v1/keys").document["keys"]
    if any(one["id"] == key for one in known):
        return key
    named = [str(one["id"]) for one in known if one["name"] == key and not one["revoked_at"]]
    if not named:
        raise Refusal(f"There is no key {key} in force; they are: pitboss keys list")
    if len(named) > 1:
        raise BadUse(f"Several keys are named {key}; give one's id: {', '.join(named)}")
    return named[0]
