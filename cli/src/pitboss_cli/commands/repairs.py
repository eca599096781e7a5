"""Repairs: what is unsettled, send again a stretch of time, mend one leg."""

import click

from pitboss_cli import grid, moments, rounds
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint
from pitboss_cli.refusals import BadUse, Exit, Refusal
from pitboss_cli.session import Session, check_word, here
from pitboss_cli.verbs import MOMENT, ROUND, TABLE, Verb, body, once, wait

_STATES = (
    *("pending", "sending", "unknown"),
    *("accepted", "rejected", "expired", "superseded", "skipped"),
)


def _rows(found: list[rounds.Document]) -> list[Row]:
    return [
        (
            one["round"] or one["table"],
            one["environment"],
            one["game_code"],
            one["command"],
            rounds.word(one["state"]),
            one["attempts"],
            moments.show(one["created_at"]),
            moments.show(one["next_attempt_at"]),
            Cell(": ".join(str(one[name]) for name in ("code", "detail") if one[name])),
        )
        for one in found
    ]


_HEAD = (
    *("ROUND", "ENVIRONMENT", "TARGET", "COMMAND", "STATE", "ATTEMPTS"),
    *("SINCE", "NEXT ATTEMPT", "DETAIL"),
)


@click.command(cls=Verb)
@click.option("--state", type=click.Choice(_STATES), multiple=True, help="[those not settled]")
@click.option("--environment")
@click.option("--table", type=TABLE)
@click.option("--since", type=MOMENT, help="A time, or an age such as 15m or 2h.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", metavar="DELIVERY", help="Newer than this one.")
@here
def deliveries(
    session: Session,
    *,
    state: tuple[str, ...],
    environment: str | None,
    table: str | None,
    since: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List what is still to be sent, or what is in the states asked for, oldest first."""
    query = {
        "state": state or None,
        "environment": environment,
        "table": table,
        "since": since,
        "limit": limit,
        "cursor": cursor,
    }
    session.show(session.api.get("/v1/deliveries", query), _draw)


def _draw(answer: Answer, paint: Paint) -> list[str]:
    found = answer.document["deliveries"]
    if not found:
        return ["No such deliveries."]
    lines = grid.draw(_HEAD, _rows(found), paint)
    if after := answer.document.get("next_cursor"):
        lines.append(paint(f"More with --cursor {after}", Ink.DIM))
    return lines


@click.command(cls=Verb)
@click.option("--since", type=MOMENT, required=True, help="A time, or an age such as 15m or 2h.")
@click.option("--until", type=MOMENT)
@click.option("--environment")
@click.option("--table", type=TABLE)
@click.option("--dry-run", is_flag=True, help="Only count, and say what is left out and why.")
@click.option("--confirm", metavar="WORD", help="The dry run's, for more than seven days.")
@once
@here
def recover(
    session: Session,
    *,
    since: str,
    until: str | None,
    environment: str | None,
    table: str | None,
    dry_run: bool,
    confirm: str | None,
    key: str | None,
) -> None:
    """Send again all that failed in a stretch of time."""
    asked = body(
        since=since,
        until=until,
        environment=environment,
        table=table,
        dry_run=dry_run,
        confirm=confirm,
    )
    session.show(session.api.post("/v1/deliveries/recover", asked, key), _draw_recovery)


def _draw_recovery(answer: Answer, paint: Paint) -> list[str]:
    found = answer.document
    lines = grid.draw(_HEAD, _rows(found["deliveries"]), paint) if found["deliveries"] else []
    verb = "would be sent again" if found["dry_run"] else "are sent again"
    lines.append(f"{found['count']} {verb}.")
    lines += [f"  left out: {count} {why}" for why, count in found["left_out"].items()]
    if found["dry_run"]:
        lines.append(paint(f"confirm: {found['confirm']}", Ink.DIM))
    return lines


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.argument("leg", metavar="ENVIRONMENT[/TARGET]")
@click.option("--reason", help="Why; it stands in the history.")
@wait
@once
@here
def retry(
    session: Session,
    *,
    round_: str,
    leg: str,
    reason: str | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Send what stopped one leg again, once the table was looked at."""
    _mend(session, (round_, leg), "retry", body(reason=reason, wait_ms=wait_ms), key)


@click.command(cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.argument("leg", metavar="ENVIRONMENT[/TARGET]")
@click.option("--reason", required=True, help="Why; it stands in the history.")
@once
@here
def skip(session: Session, round_: str, leg: str, reason: str, key: str | None) -> None:
    """Send nothing more to one leg for this round, by decision."""
    _mend(session, (round_, leg), "skip", body(reason=reason), key)


@click.command("cancel-leg", cls=Verb)
@click.argument("round_", type=ROUND, metavar="TABLE|ROUND")
@click.argument("leg", metavar="ENVIRONMENT[/TARGET]")
@click.option("--reason", help="Why; it stands in the history.")
@wait
@once
@here
def cancel_leg(
    session: Session,
    *,
    round_: str,
    leg: str,
    reason: str | None,
    wait_ms: int | None,
    key: str | None,
) -> None:
    """Cancel the round on one leg alone."""
    _mend(session, (round_, leg), "cancel", body(reason=reason, wait_ms=wait_ms), key)


def _mend(
    session: Session,
    place: tuple[str, str],
    verb: str,
    asked: dict[str, object],
    key: str | None,
) -> None:
    round_id = session.find_round(place[0], latest=True)
    environment, game_code = _find_leg(session, round_id, place[1])
    path = f"/v1/rounds/{round_id}/legs/{environment}/{game_code}/{verb}"
    answer = session.api.post(path, asked, key)
    session.show(answer, lambda answer, paint: rounds.draw(answer.document, paint))
    at = (environment, game_code)
    [mended] = [
        leg for leg in answer.document["legs"] if (leg["environment"], leg["game_code"]) == at
    ]
    session.end(rounds.LEG_EXITS.get(rounds.leg_outcome(mended), Exit.FAILED))


def _find_leg(session: Session, round_id: str, text: str) -> tuple[str, str]:
    """Name a leg by its environment alone where that has only one."""
    environment, slash, game_code = text.partition("/")
    check_word(environment)
    if slash:
        return environment, check_word(game_code)
    legs = session.api.get(f"/v1/rounds/{round_id}").document["legs"]
    codes = [str(leg["game_code"]) for leg in legs if leg["environment"] == environment]
    if not codes:
        there = ", ".join(dict.fromkeys(str(leg["environment"]) for leg in legs))
        raise Refusal(f"The round has no leg in {environment}; it has some in {there}.")
    if len(codes) > 1:
        named = ", ".join(f"{environment}/{code}" for code in codes)
        raise BadUse(f"{environment} has several legs; name one of {named}.")
    return environment, codes[0]
