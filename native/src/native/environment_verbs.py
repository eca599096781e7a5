"""`./manage.sh env add|remove NAME`: a pool that comes, or drains and goes, at run time."""

import argparse
from collections.abc import Sequence
from typing import Final, NoReturn

from native import draining, environments, mode, settings
from native.control import Say
from native.refusals import BadUse, Refusal

_DRAIN_SECONDS: Final = 120.0
_LONGEST_SECONDS: Final = 86_400.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh env --help")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds up to a day")
    return value


def run(arguments: Sequence[str], say: Say) -> str:
    """Do one of them, and give what to print."""
    parser = _Parser("env", add_help=False, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    adding = verbs.add_parser("add", add_help=False, allow_abbrev=False)
    adding.add_argument("environment", metavar="NAME")
    removing = verbs.add_parser("remove", add_help=False, allow_abbrev=False)
    removing.add_argument("environment", metavar="NAME")
    removing.add_argument("--now", action="store_true")
    removing.add_argument("--timeout", type=_seconds, default=_DRAIN_SECONDS)
    removing.add_argument("--reason", default="The environment was removed.")
    asked = parser.parse_args(arguments)
    name = environments.read_name(asked.environment)
    if asked.verb == "add":
        return _add(name, say)
    return _remove(name, say, seconds=0.0 if asked.now else asked.timeout, reason=asked.reason)


def _add(name: str, say: Say) -> str:
    answer = mode.running().add_environment(name, say)
    count = answer["replicas"]
    verb = "has its pool now" if answer["new"] else "has its pool already"
    head = f"{name} {verb}: {count} replica{'s' if count > 1 else ''}, ready."
    with draining.Api(settings.load()) as api:
        tables = draining.count_tables(api, name)
    if tables is None:
        return f"{head} It has no configuration yet; put one: ./manage.sh config put FILE"
    version, targets = tables
    if targets == 0:
        back = f"./manage.sh config rollback {name} {version - 1} --reason TEXT"
        return f"{head} Its version {version} has no tables; put some, or go back: {back}"
    return f"{head} Rounds start on its {targets} table{'s' if targets > 1 else ''} from now on."


def _remove(name: str, say: Say, *, seconds: float, reason: str) -> str:
    known = {one["environment"] for one in mode.running().read_status().services}
    with draining.Api(settings.load()) as api:
        tables = draining.count_tables(api, name)
        if name not in known and not (tables and tables[1]):
            if tables is None:
                raise BadUse(f"There is no environment {name}, neither a pool nor a configuration.")
            return f"{name} is out already."
        version = draining.take_tables_out(api, name, reason)
        if version is not None:
            say(f"{name} takes no new rounds; version {version} had its tables")
        if name in known:
            left = draining.wait(api, name, seconds, say)
            if left and seconds > 0:
                raise Refusal(
                    f"{name} still has {draining.name(left)}; its pool goes on until they are "
                    "over. Run this again then, or with --now."
                )
            if left:
                say(f"left for when {name} is added again: {draining.name(left)}")
    mode.running().remove_environment(name, say)
    return f"{name} is out. Its versions are kept; ./manage.sh env add {name} brings it back."
