"""Tables: which there are and whether a round can begin; pause, show, say, compare."""

import click

from pitboss_cli import grid, rounds
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.refusals import Exit
from pitboss_cli.session import Session, here
from pitboss_cli.verbs import TABLE, Verb, body, environments, once, wait

_LIGHTS = {"go": Ink.GREEN, "go_without": Ink.YELLOW, "hold": Ink.RED}


@click.command(cls=Verb)
@click.argument("table", type=TABLE, required=False)
@here
def tables(session: Session, table: str | None) -> None:
    """List the tables, or show one: its light, its open round, where it is mirrored."""
    if table is not None:
        session.show(session.api.get(f"/v1/tables/{table}"), _draw_one)
    else:
        session.show(session.api.get("/v1/tables"), _draw_all)


def _draw_all(answer: Answer, paint: Paint) -> list[str]:
    rows = [_row(one) for one in answer.document["tables"]]
    if not rows:
        return ["There are no tables yet; put a configuration: pitboss config put FILE"]
    return grid.draw(("TABLE", "TYPE", "LIGHT", "OPEN ROUND", "TARGETS", "WHY"), rows, paint)


def _row(one: rounds.Document) -> Row:
    readiness = one["readiness"]
    return (
        one["table"],
        one["type"],
        Cell(readiness["light"], _LIGHTS.get(readiness["light"], Ink.PLAIN)),
        one["open_round"],
        Cell(" ".join(dict.fromkeys(target["environment"] for target in one["targets"]))),
        Cell(" ".join(readiness["why"])),
    )


def _draw_one(answer: Answer, paint: Paint) -> list[str]:
    one = answer.document
    light = one["readiness"]["light"]
    head = f"{one['table']} ({one['type']})"
    lines = [f"{paint(tame(head), Ink.BOLD)}  {paint(light, _LIGHTS.get(light, Ink.PLAIN))}"]
    lines += [f"  {tame(why)}" for why in one["readiness"]["why"]]
    lines.append(f"open round: {one['open_round'] or 'none'}")
    rows: list[Row] = [
        (
            f"{target['environment']}{'*' if target['required'] else ''}",
            target["game_code"],
            target["priority"],
            target["version"],
        )
        for target in one["targets"]
    ]
    return lines + grid.draw(("ENVIRONMENT", "TARGET", "PRIORITY", "CONFIG"), rows, paint)


def _tell(session: Session, answer: Answer) -> None:
    session.show(answer, _draw_command)
    session.end(rounds.EXITS[answer.document["outcome"]])


def _draw_command(answer: Answer, paint: Paint) -> list[str]:
    done = answer.document
    outcome = done["outcome"]
    head = f"{done['table']} {done['kind']}: {paint(outcome, rounds.INKS.get(outcome, Ink.PLAIN))}"
    if done.get("suppressed"):
        head += " (said a moment ago already, so not again)"
    return [head, *rounds.draw_legs(done["legs"], paint, states=False)]


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@click.option("--reason", required=True, help="Why; players read it.")
@environments
@wait
@once
@here
def pause(
    session: Session,
    *,
    table: str,
    reason: str,
    environments: list[str] | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Pause TABLE; a round that is open goes on."""
    asked = body(reason=reason, environments=environments, wait_ms=wait_ms)
    _tell(session, session.api.post(f"/v1/tables/{table}/pause", asked, key))


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@environments
@wait
@once
@here
def resume(
    session: Session,
    *,
    table: str,
    environments: list[str] | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """End the pause of TABLE, whoever began it."""
    asked = body(environments=environments, wait_ms=wait_ms)
    _tell(session, session.api.post(f"/v1/tables/{table}/resume", asked, key))


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@click.argument("visibility", type=click.Choice(("visible", "disabled")))
@environments
@wait
@once
@here
def visibility(
    session: Session,
    *,
    table: str,
    visibility: str,
    environments: list[str] | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Show TABLE in the lobby, or hide it."""
    asked = body(visibility=visibility, environments=environments, wait_ms=wait_ms)
    _tell(session, session.api.post(f"/v1/tables/{table}/visibility", asked, key))


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@click.argument("content")
@click.option("--type", "kind", default="warning", show_default=True)
@click.option("--audience", default="players", show_default=True)
@environments
@wait
@once
@here
def broadcast(
    session: Session,
    *,
    table: str,
    content: str,
    kind: str,
    audience: str,
    environments: list[str] | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Say CONTENT once at TABLE."""
    said = {"type": kind, "audience": audience, "content": content}
    asked = {**said, **body(environments=environments, wait_ms=wait_ms)}
    _tell(session, session.api.post(f"/v1/tables/{table}/broadcast", asked, key))


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@here
def drift(session: Session, table: str) -> None:
    """Compare TABLE with the ledger; ends with 1 where something differs."""
    answer = session.api.get(f"/v1/tables/{table}/drift")
    session.show(answer, _draw_drift)
    if any(target["drift"] for target in answer.document["targets"]):
        session.end(Exit.FAILED)


def _draw_drift(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = [
        (
            target["environment"],
            target["game_code"],
            Cell(target["drift"] or "none", Ink.RED if target["drift"] else Ink.GREEN),
            (target["reports"] or {}).get("status"),
            target["ledger"]["leg"],
            Cell(_sentence(target)),
        )
        for target in answer.document["targets"]
    ]
    return grid.draw(("ENVIRONMENT", "TARGET", "DRIFT", "TABLE", "LEDGER", ""), rows, paint)


def _sentence(target: rounds.Document) -> str:
    repair = f" Repair: {target['repair']}" if target["repair"] else ""
    return f"{target['sentence']}{repair}"
