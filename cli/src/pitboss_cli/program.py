"""The door: all commands under one name, and how each way to end becomes an exit code."""

import contextlib
import os
import sys

import click

from pitboss_cli.commands import (
    batches,
    configuration,
    keys,
    repairs,
    rounds,
    services,
    tables,
    watch,
)
from pitboss_cli.refusals import Exit, Refusal
from pitboss_cli.session import Session
from pitboss_cli.verbs import Verbs

_CODES = """\b
Exit codes:
  0    done: accepted everywhere
  1    refused, or failed everywhere
  2    wrong use; nothing was sent
  3    nobody answered
  4    some legs accepted, some did not
  5    not settled yet
  130  interrupted
"""


@click.group(cls=Verbs, epilog=_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pitboss-cli", message="%(prog)s %(version)s")
def pitboss() -> None:
    """Play rounds on every table of every environment, from a shell.

    Where a round is wanted, the name of a table means its open round. The key comes from
    PITBOSS_KEY or --key-file; in a checkout its own key and address are taken from .env.
    """


for command in (
    rounds.start,
    rounds.bet_stop,
    rounds.result,
    rounds.finish,
    rounds.cancel,
    rounds.show,
    rounds.find,
    rounds.history,
    tables.tables,
    tables.pause,
    tables.resume,
    tables.visibility,
    tables.broadcast,
    tables.drift,
    repairs.deliveries,
    repairs.recover,
    repairs.retry,
    repairs.skip,
    repairs.cancel_leg,
    watch.watch,
    batches.batch,
    configuration.config,
    keys.keys,
    services.services,
    services.completion,
):
    pitboss.add_command(command)


def main(arguments: list[str] | None = None) -> Exit | int:
    """Run one command; a refusal becomes one sentence on standard error."""
    session = Session()
    try:
        code = pitboss.main(arguments, prog_name="pitboss", standalone_mode=False, obj=session)
    except Refusal as refusal:
        _flush()
        if session.as_json and refusal.raw:
            click.echo(refusal.raw)
        click.echo(str(refusal), err=True)
        return refusal.code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "pitboss"
        click.echo(f"{error.format_message()} See: {path} --help", err=True)
        return Exit.BAD_USE
    except click.ClickException as error:
        click.echo(error.format_message(), err=True)
        return Exit.BAD_USE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.DONE


def _flush() -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()


def run() -> None:
    raise SystemExit(int(main()))
