"""The replicas that are there, and the script that lets a shell complete our commands."""

import click
from click.shell_completion import get_completion_class

from pitboss_cli import grid, moments
from pitboss_cli.api import Answer
from pitboss_cli.grid import Cell, Row
from pitboss_cli.paint import Ink, Paint
from pitboss_cli.session import Session, here
from pitboss_cli.verbs import Verb

PROGRAM = "pitboss"


@click.command(cls=Verb)
@here
def services(session: Session) -> None:
    """List the replicas of the fleet, as they last told of themselves."""
    session.show(session.api.get("/v1/services"), _draw)


def _draw(answer: Answer, paint: Paint) -> list[str]:
    rows = [_row(one) for one in answer.document["services"]]
    head = ("SERVICE", "INSTANCE", "VERSION", "STARTED", "HEARTBEAT", "IN FLIGHT", "CONFIG")
    lines = grid.draw(head, rows, paint)
    if answer.document.get("degraded"):
        lines.append(paint("Redis is away: this is what is known without it.", Ink.YELLOW))
    return lines


def _row(one: dict[str, dict[str, dict[str, object]]]) -> Row:
    runs = [f"{name} {standing['version']}" for name, standing in sorted(one["config"].items())]
    return (
        str(one["service"]),
        str(one["instance"]),
        str(one["version"]),
        moments.show(one["started"]),
        moments.show(one["last_heartbeat"]),
        Cell("-" if one["in_flight"] is None else str(one["in_flight"])),
        Cell(", ".join(runs)),
    )


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    r"""Print the script that completes `pitboss` in SHELL.

    \b
    bash: eval "$(pitboss completion bash)"
    zsh:  eval "$(pitboss completion zsh)"
    fish: pitboss completion fish | source
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = click.get_current_context().find_root().command
    script = found(root, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE")
    # Not script.source(), which runs a bash to see its version, also where there is none.
    click.echo(script.source_template % script.source_vars())
