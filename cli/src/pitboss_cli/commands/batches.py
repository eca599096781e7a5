"""Batches: one command on many tables, followed as they finish."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from pitboss_cli import grid, moments, results
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint, tame
from pitboss_cli.refusals import BadUse, Exit, Unreachable
from pitboss_cli.session import Session, check_word, here
from pitboss_cli.verbs import TABLE, WORDS, Verbs, body, once
from pitboss_cli.watching.stream import Event, parse

_COMMANDS: Final = ("start", "bet-stop", "result", "finish", "cancel", "pause", "resume")
_SILENCE_S: Final = 40.0
_PAUSE_S: Final = 0.5
_OPEN: Final = ("waiting", "running", "pending")
_BAD: Final = ("partial", "failed", "refused", "not_begun")
_INKS: Final[Mapping[str, Ink]] = {
    "complete": Ink.GREEN,
    "failed": Ink.RED,
    "refused": Ink.RED,
}


@click.group(cls=Verbs)
def batch() -> None:
    """Run one command on many tables."""


@batch.command("run")
@click.argument("command", type=click.Choice(_COMMANDS))
@click.argument("tables", type=TABLE, nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="On every table there is.")
@click.option("--number", help="The result of roulette tables.")
@click.option("--dice", metavar="1,2,3", help="The result of sic bo tables.")
@click.option("--baccarat", metavar="CARDS", help="The result of baccarat tables.")
@click.option("--reason", help="Why, for cancel and pause.")
@click.option("--environments", type=WORDS, help="On these only, such as PRD,UAT. [all]")
@click.option("--max-concurrent", type=click.IntRange(1, 1000), help="At once, at most. [20]")
@click.option("--timeout-ms", type=click.IntRange(1, 600_000), help="For all of it. [30000]")
@click.option("--detach", is_flag=True, help="Don't wait; `batch show` follows it later.")
@once
@here
def run(
    session: Session,
    /,
    *,
    command: str,
    tables: tuple[str, ...],
    everyone: bool,
    number: str | None,
    dice: str | None,
    baccarat: str | None,
    detach: bool,
    key: str | None,
    **options: object,
) -> None:
    """Run COMMAND on TABLES, with a line for each as it is done with."""
    if bool(tables) == everyone:
        raise BadUse("Name the tables, or give --all.")
    result = None
    if command == "result":
        result = results.read(number, dice, baccarat)
    names = _list_tables(session) if everyone else list(tables)
    asked = body(command=command, tables=names, result=result, **options)
    answer = session.api.post("/v1/batches", asked, key)
    if detach:
        session.show(answer, _draw)
        session.end(Exit.PENDING)
    else:
        _follow(session, str(answer.document["batch"]))


def _list_tables(session: Session) -> list[str]:
    return [str(one["table"]) for one in session.api.get("/v1/tables").document["tables"]]


@batch.command("show")
@click.argument("batch", metavar="BATCH")
@click.option("--follow", is_flag=True, help="Until it is over.")
@here
def show(session: Session, *, batch: str, follow: bool) -> None:
    """Show how far BATCH is."""
    if follow:
        _follow(session, check_word(batch))
    else:
        _tell(session, check_word(batch))


@batch.command("cancel")
@click.argument("batch", metavar="BATCH")
@once
@here
def cancel(session: Session, *, batch: str, key: str | None) -> None:
    """Begin nothing more of BATCH; what runs goes on."""
    session.show(session.api.post(f"/v1/batches/{check_word(batch)}/cancel", None, key), _draw)


def _follow(session: Session, batch_id: str) -> None:
    """Print a line for each table, then the whole; a lost stream is taken up again."""
    try:
        told: set[str] = set()
        for event in _events(session, batch_id):
            table = str(event.document.get("table"))
            if event.type == "table" and table not in told and not session.as_json:
                told.add(table)
                click.echo(_line(event.document, session.paint), color=True)
    except KeyboardInterrupt:
        click.echo(f"The batch goes on; see: pitboss batch show {batch_id} --follow", err=True)
        raise
    _tell(session, batch_id, whole=False)


def _events(session: Session, batch_id: str) -> Iterator[Event]:
    path = f"/v1/batches/{batch_id}"
    while True:
        try:
            with session.api.stream("GET", path, silence_s=_SILENCE_S) as lines:
                for one in parse(lines):
                    if isinstance(one, Event):
                        yield one
        except Unreachable:
            session.say("The batch is out of sight for the moment; looking again ...")
        # Whoever can't be reached for long is told of here.
        if session.api.get(path).document["finished_at"] is not None:
            return
        time.sleep(_PAUSE_S)


def _tell(session: Session, batch_id: str, *, whole: bool = True) -> None:
    answer = session.api.get(f"/v1/batches/{batch_id}")
    session.show(answer, _draw if whole else _draw_end)
    session.end(judge(answer.document["progress"]))


def judge(progress: Mapping[str, int]) -> Exit:
    """Give the exit code of how far a batch came."""
    if progress["complete"] == progress["total"]:
        return Exit.DONE
    bad = sum(progress[name] for name in _BAD)
    if not bad:
        return Exit.PENDING
    nothing = progress["complete"] + progress["partial"] == 0
    return Exit.FAILED if nothing and not any(progress[name] for name in _OPEN) else Exit.PARTIAL


def _line(one: Mapping[str, Any], paint: Paint) -> str:
    outcome = str(one["outcome"])
    detail = ": ".join(str(one[name]) for name in ("code", "detail") if one.get(name))
    lasted = "" if one.get("duration_ms") is None else f"{one['duration_ms']:.0f} ms"
    words = [tame(str(one["table"])), paint(outcome, _INKS.get(outcome, Ink.YELLOW)), lasted]
    return "  ".join(filter(None, [*words, tame(detail)]))


def _draw_end(answer: Answer, _: Paint) -> list[str]:
    found = answer.document
    progress = found["progress"]
    counts = [f"{count} {name}" for name, count in progress.items() if count]
    lines = [f"{found['batch']}  {found['command']}  {found['state']}: {', '.join(counts)}"]
    for name in (*_BAD, *_OPEN):
        named = [str(one["table"]) for one in found["tables"] if one["outcome"] == name]
        if named:
            lines.append(f"  {name}: {', '.join(named)}")
    return [tame(line) for line in lines]


def _draw(answer: Answer, paint: Paint) -> list[str]:
    rows: list[Row] = [
        (
            one["table"],
            Cell(one["outcome"], _INKS.get(one["outcome"], Ink.YELLOW)),
            one["round"],
            moments.show(one["finished_at"]),
            Cell(": ".join(str(one[name]) for name in ("code", "detail") if one[name])),
        )
        for one in answer.document["tables"]
    ]
    lines = grid.draw(("TABLE", "OUTCOME", "ROUND", "DONE", "DETAIL"), rows, paint)
    return [*lines, _draw_end(answer, paint)[0]]
