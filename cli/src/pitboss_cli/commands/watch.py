"""The live matrix: how each table's round stands in each environment, as it changes."""

import sys

import click

from pitboss_cli.session import Session, here
from pitboss_cli.verbs import TABLE, WORDS, Verb
from pitboss_cli.watching.screen import Lines, Moving, Screen
from pitboss_cli.watching.stream import Follower
from pitboss_cli.watching.watch import Watch


@click.command(cls=Verb)
@click.argument("table", type=TABLE, required=False)
@click.option("--types", type=WORDS, help="Only these events, such as alert.raised.")
@click.option("--since-id", metavar="ID", help="Begin after this event, as Last-Event-ID does.")
@here
def watch(
    session: Session, table: str | None, types: list[str] | None, since_id: str | None
) -> None:
    """Watch all tables, or TABLE, live.

    On a terminal it is a picture that moves; elsewhere a line for each event, with --json as it is
    in the stream. A lost connection is resumed where it broke.
    """
    query = {"table": table, "types": ",".join(types) if types else None}
    session.paint  # noqa: B018  # looked at before the screen is ours
    moving = sys.stdout.isatty() and not session.as_json
    screen: Screen = Lines(sys.stdout, session.as_json)
    if moving:
        screen = Moving(sys.stdout, session.paint, f"pitboss {session.api.url}")
    follower = Follower(
        session.api,
        query,
        session.patience_s,
        (lambda _: None) if moving else session.say,
        last_id=since_id,
    )
    Watch(session.api, follower, screen, table, draws=moving).run()
