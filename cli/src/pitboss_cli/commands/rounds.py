"""Rounds: start, bet-stop, result, finish, cancel; look at one, list them, read a history."""

import json

import click

from pitboss_cli import grid, moments, results, rounds
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.session import Session, here
from pitboss_cli.verbs import MOMENT, ROUND, TABLE, Verb, body, environments, once, wait

STATES = ("open", "bet_stopped", "dealt", "finished", "cancelled")


def _draw(answer: Answer, paint: Paint) -> list[str]:
    return rounds.draw(answer.document, paint)


def tell(session: Session, answer: Answer) -> None:
    """Show what a command came to, and end with the code of its outcome."""
    session.show(answer, _draw)
    session.end(rounds.EXITS[answer.document["outcome"]])


@click.command(cls=Verb)
@click.argument("table", type=TABLE)
@environments
@click.option("--deadline-ms", type=click.IntRange(1, 3_600_000), help="Late is never. [3000]")
@wait
@once
@here
def start(
    session: Session,
    *,
    table: str,
    environments: list[str] | None,
    deadline_ms: int | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Start a round on TABLE."""
    asked = body(environments=environments, deadline_ms=deadline_ms, wait_ms=wait_ms)
    tell(session, session.api.post(f"/v1/tables/{table}/rounds", asked, key))


@click.command("bet-stop", cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@wait
@once
@here
def bet_stop(session: Session, round_: str, wait_ms: int | None, key: str | None) -> None:
    """Stop the bets now."""
    found = session.find_round(round_)
    tell(session, session.api.post(f"/v1/rounds/{found}/bet-stop", body(wait_ms=wait_ms), key))


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.argument("number", required=False)
@click.option("--dice", metavar="1,2,3", help="The three dice of sic bo.")
@click.option("--baccarat", metavar="CARDS", help="Six cards such as D2,S10,HK,C5,-,- (- for none)")
@wait
@once
@here
def result(
    session: Session,
    *,
    round_: str,
    number: str | None,
    dice: str | None,
    baccarat: str | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Deal the result: a roulette NUMBER, --dice or --baccarat. Open bets are stopped first."""
    given = results.read(number, dice, baccarat)
    found = session.find_round(round_)
    asked = {**given, **body(wait_ms=wait_ms)}
    tell(session, session.api.post(f"/v1/rounds/{found}/result", asked, key))


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@wait
@once
@here
def finish(session: Session, round_: str, wait_ms: int | None, key: str | None) -> None:
    """Finish the round."""
    found = session.find_round(round_)
    tell(session, session.api.post(f"/v1/rounds/{found}/finish", body(wait_ms=wait_ms), key))


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.option("--reason", help="Why; it stands in the history.")
@wait
@once
@here
def cancel(
    session: Session, *, round_: str, reason: str | None, wait_ms: int | None, key: str | None
) -> None:
    """Cancel the round on every leg that is not over."""
    found = session.find_round(round_)
    asked = body(reason=reason, wait_ms=wait_ms)
    tell(session, session.api.post(f"/v1/rounds/{found}/cancel", asked, key))


@click.command("round", cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@here
def show(session: Session, round_: str) -> None:
    """Show a round as it stands; of a table the open one, else the latest."""
    found = session.find_round(round_, latest=True)
    session.show(session.api.get(f"/v1/rounds/{found}"), _draw)


@click.command("rounds", cls=Verb)
@click.option("--table", type=TABLE)
@click.option("--state", type=click.Choice(STATES))
@click.option("--unresolved", is_flag=True, help="Those not done on some leg.")
@click.option("--since", type=MOMENT, help="A time, or an age such as 15m or 2h.")
@click.option("--until", type=MOMENT)
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--cursor", metavar="ROUND", help="Older than this one.")
@here
def find(
    session: Session,
    *,
    table: str | None,
    state: str | None,
    unresolved: bool,
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List rounds, newest first."""
    query = {
        "table": table,
        "state": state,
        "unresolved": "true" if unresolved else None,
        "since": since,
        "until": until,
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.api.get("/v1/rounds", query), _draw_list)


def _draw_list(answer: Answer, paint: Paint) -> list[str]:
    lines = rounds.draw_list(answer.document["rounds"], paint)
    if len(lines) == 1:
        return ["No such rounds."]
    if after := answer.document.get("next_cursor"):
        lines.append(paint(f"More with --cursor {after}", Ink.DIM))
    return lines


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.option("--at", type=MOMENT, help="Show the round as it was then.")
@here
def history(session: Session, round_: str, at: str | None) -> None:
    """Read what happened to a round, in order."""
    found = session.find_round(round_, latest=True)
    answer = session.api.get(f"/v1/rounds/{found}/history", {"at": at})
    session.show(answer, _draw if at else _draw_history)


def _draw_history(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = [
        (
            event["number"],
            moments.show(event["at"]),
            Cell(event["type"], Ink.RED if event["type"] == "alert.raised" else Ink.PLAIN),
            event["hash"][:8],
            Cell(tame(_flat(event["data"])), Ink.DIM),
        )
        for event in answer.document["events"]
    ]
    return grid.draw(("NO", "AT", "TYPE", "HASH", "DATA"), rows, paint)


def _flat(data: dict[str, object]) -> str:
    return " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in data.items()
        if value is not None
    )
