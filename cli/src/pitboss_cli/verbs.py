"""Commands of click with our own options on each, and the kinds of values they take."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from pitboss_cli import moments
from pitboss_cli.refusals import Refusal
from pitboss_cli.session import PATIENCE_S, Session, check_word

Command = TypeVar("Command", bound=Callable[..., Any])


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        session = context.ensure_object(Session)
        source = context.get_parameter_source(str(parameter.name))
        if source is not click.core.ParameterSource.DEFAULT:
            setattr(session, name, value)

    return keep


def _shared() -> list[click.Option]:
    """Give the options every command takes, before or after its name."""
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_keep("as_json"),
            help="Print the answer as the API gave it.",
        ),
        click.Option(
            ["--url"],
            metavar="URL",
            expose_value=False,
            callback=_keep("url"),
            help="The fleet's address. [PITBOSS_URL, else this checkout's, else port 8080 here]",
        ),
        click.Option(
            ["--key-file"],
            metavar="FILE",
            expose_value=False,
            callback=_keep("key_file"),
            help="A file with the key, - for standard input. [PITBOSS_KEY]",
        ),
        click.Option(
            ["--retry-for"],
            type=click.FloatRange(min=0, max=3600),
            metavar="SECONDS",
            expose_value=False,
            callback=_keep("patience_s"),
            help=f"How long to try again where nobody answers. [{PATIENCE_S:g}]",
        ),
    ]


class Verb(click.Command):
    """A command with the shared options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared())


class Verbs(click.Group):
    """A group whose commands have them too."""

    command_class = Verb
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_shared())


class Moment(click.ParamType[str]):
    """A moment, or how long ago it was."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        moment = moments.parse(str(value), datetime.now(UTC))
        if moment is None:
            sentence = f"{value!r} is no time; write 2026-11-21T09:00:00Z, or 15m ago as 15m."
            self.fail(sentence, param, ctx)
        return moments.write(moment)


class Words(click.ParamType[list[str]]):
    """Names separated by commas."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        if isinstance(value, list):
            return value
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not words:
            self.fail("A name is needed, such as PRD,UAT.", param, ctx)
        return [check_word(word) for word in words]


class TableName(click.ParamType[str]):
    """A table; the shell completes it from the fleet."""

    name = "table"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  # click's signature
        ctx: click.Context | None,  # noqa: ARG002  # the same
    ) -> str:
        return check_word(str(value))

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002  # click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in _list_tables(ctx) if name.startswith(incomplete)]


class RoundName(TableName):
    """A round, or a table for its open round."""

    name = "round"


def _list_tables(context: click.Context) -> list[str]:
    session = context.ensure_object(Session)
    session.patience_s = 0.0
    try:
        found = session.api.get("/v1/tables").document["tables"]
    except (Refusal, KeyError):
        return []  # a shell that completes is no place for sentences
    return [str(one["table"]) for one in found]


TABLE = TableName()
ROUND = RoundName()
MOMENT = Moment()
WORDS = Words()

wait = click.option(
    "--wait-ms",
    type=click.IntRange(0, 30_000),
    help="How long to wait for the legs; 0 does not wait. [2000]",
)
environments = click.option(
    "--environments", type=WORDS, help="On these only, such as PRD,UAT. [all]"
)
once = click.option(
    "--idempotency-key",
    "key",
    metavar="KEY",
    help="Ask under this key: what was done under it is answered, not done again. [a new one]",
)


def body(**fields: object) -> dict[str, object]:
    """Give a body of what was said on the command line."""
    return {name: value for name, value in fields.items() if value is not None}
