"""One run of the command line: its options, the fleet it asks, and what it prints."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import click

from pitboss_cli import endpoint, paint
from pitboss_cli.api import Answer, Api
from pitboss_cli.paint import Paint
from pitboss_cli.refusals import BadUse, Exit, Refusal

PATIENCE_S: Final = 10.0
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Draw = Callable[[Answer, Paint], Sequence[str]]


@dataclass
class Session:
    """What all commands share."""

    url: str | None = None
    key_file: str | None = None
    as_json: bool = False
    patience_s: float = PATIENCE_S
    _said: set[str] = field(default_factory=set)

    @cached_property
    def api(self) -> Api:
        found = endpoint.find(self.url, self.key_file, os.environ, Path.cwd())
        return Api(found, self.patience_s, self.say)

    @cached_property
    def paint(self) -> Paint:
        return paint.choose(sys.stdout)

    def say(self, text: str) -> None:
        """Tell on standard error, each thing once."""
        if text not in self._said:
            self._said.add(text)
            click.echo(text, err=True)

    def show(self, answer: Answer, draw: Draw) -> None:
        """Print the answer as it came, or as people read it."""
        if self.as_json:
            click.echo(answer.text)
        else:
            self.print(draw(answer, self.paint))

    def print(self, lines: Sequence[str]) -> None:
        click.echo("\n".join(lines), color=True)

    def end(self, code: Exit) -> None:
        """End with a code that is not 0 after all was said."""
        if code:
            click.get_current_context().exit(code)

    def find_round(self, name: str, *, latest: bool = False) -> str:
        """Take a round's id as it is; take a table for its open round, or its latest to read."""
        if _ULID.fullmatch(name.upper()):
            return name.upper()
        check_word(name)
        open_round = self.api.get(f"/v1/tables/{name}").document.get("open_round")
        if open_round is not None:
            return str(open_round)
        if latest:
            found = self.api.get("/v1/rounds", {"table": name, "limit": 1}).document["rounds"]
            if found:
                return str(found[0]["round"])
        raise Refusal(f"{name} has no open round; its rounds: pitboss rounds --table {name}")


def check_word(name: str) -> str:
    """Refuse what can't be a name before it becomes part of an address."""
    if not _WORD.fullmatch(name):
        raise BadUse(f"{name!r} is no name of a table, a round or an environment.")
    return name


here = click.make_pass_decorator(Session, ensure=True)
"""Hands the session to a command."""
