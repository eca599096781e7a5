"""The verbs that manage.sh passes on: each reads its arguments, calls one thing, prints."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from native import doctor, lifecycle, logview, mode, statusview
from native.autoscaling import journal
from native.refusals import BadUse, NotRunning, Refusal

_INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh {self.prog} --help")


def _say(text: str) -> None:
    print(f"  {text}", flush=True)  # noqa: T201  # this is the command line


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # this is the command line


def _read_start(verb: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(verb, add_help=False)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--native", dest="way", action="store_const", const=mode.NATIVE)
    way.add_argument("--docker", dest="way", action="store_const", const=mode.DOCKER)
    parser.add_argument("--simulator", action="store_true")
    return parser.parse_args(arguments)


def up(arguments: Sequence[str]) -> int:
    asked = _read_start("up", arguments)
    _print(mode.runner(mode.choose(asked.way)).up(_say, simulator=asked.simulator))
    return 0


def down(arguments: Sequence[str]) -> int:
    _Parser("down", add_help=False).parse_args(arguments)
    _print(mode.running().down(_say))
    return 0


def restart(arguments: Sequence[str]) -> int:
    asked = _read_start("restart", arguments)
    before = mode.running()
    simulator = asked.simulator or before.has_simulator()
    _print(before.down(_say))
    _print(mode.runner(mode.choose(asked.way)).up(_say, simulator=simulator))
    return 0


def upgrade(arguments: Sequence[str]) -> int:
    _Parser("upgrade", add_help=False).parse_args(arguments)
    _print(mode.running().upgrade(_say))
    return 0


def tell_mode(arguments: Sequence[str]) -> int:
    """Say which way `up` would take, for manage.sh to install what that needs."""
    _print(mode.choose(_read_start("up", arguments).way))
    return 0


def status(arguments: Sequence[str]) -> int:
    parser = _Parser("status", add_help=False)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args(arguments).json
    way = mode.find()
    fleet = mode.runner(way).read_status()
    scaled = journal.show(lifecycle.places())
    if as_json:
        shown = {"mode": way, "services": fleet.services, "autoscale": scaled}
        _print(json.dumps(shown))
    else:
        _print(statusview.render(fleet.services, fleet.url, sys.stdout.isatty()))
        if line := journal.render(scaled):
            _print(line)
    if not fleet.supervised:
        left = len(fleet.services)
        raise NotRunning(
            f"The supervisor is gone, {left} processes run unwatched; "
            "clean up and start again with: ./manage.sh up"
        )
    return 0


def scale(arguments: Sequence[str]) -> int:
    parser = _Parser("scale", add_help=False)
    parser.add_argument("wishes", nargs="+", metavar="SERVICE=N")
    wishes: dict[str, str] = {}
    for wish in parser.parse_args(arguments).wishes:
        name, equals, count = wish.partition("=")
        if not equals:
            raise BadUse(f"{wish!r} is wrong; write SERVICE=N, such as table-service=5.")
        wishes[name] = count
    _print(mode.running().scale(wishes, _say))
    return 0


def autoscale(arguments: Sequence[str]) -> int:
    from native.autoscaling import verb  # noqa: PLC0415  # the other verbs start faster without it

    return verb.autoscale(arguments, _print)


def env(arguments: Sequence[str]) -> int:
    from native import environment_verbs  # noqa: PLC0415  # the other verbs start faster without it

    _print(environment_verbs.run(arguments, _say))
    return 0


def logs(arguments: Sequence[str]) -> int:
    parser = _Parser("logs", add_help=False)
    parser.add_argument("service", nargs="?")
    parser.add_argument("-f", "--follow", action="store_true")
    parser.add_argument("-n", "--lines", type=int, default=50)
    asked = parser.parse_args(arguments)
    if mode.find() == mode.DOCKER and asked.service != "autoscale":  # which runs in no container
        from native.docker import logs as docker  # noqa: PLC0415  # native verbs start faster

        docker.show(asked.service, asked.lines, follow=asked.follow)
    for line in logview.read(lifecycle.places().logs, asked.service, asked.lines, asked.follow):
        _print(line)
    return 0


def psql(arguments: Sequence[str]) -> int:
    command, environment = mode.running().write_psql()
    os.execve(command, [command, *arguments], environment)  # noqa: S606  # no shell wanted


def backup(arguments: Sequence[str]) -> int:
    from native.backup import verbs  # noqa: PLC0415  # the other verbs start faster without it

    _print(verbs.back_up(arguments, _say))
    return 0


def restore(arguments: Sequence[str]) -> int:
    from native.backup import verbs  # noqa: PLC0415  # the other verbs start faster without it

    _print(verbs.put_back(arguments, _say))
    return 0


def verify(arguments: Sequence[str]) -> int:
    environment = mode.running().write_database_url()
    command = [sys.executable, "-m", "ledger.verify", *arguments]
    os.execve(command[0], command, environment)  # noqa: S606  # no shell wanted


def show_needs(arguments: Sequence[str]) -> int:
    _Parser("doctor", add_help=False).parse_args(arguments)
    fine = True
    for need in doctor.examine():
        _print(need.render())
        fine = fine and (need.fine or need.optional)
    return 0 if fine else 1


def make_certificate(arguments: Sequence[str]) -> int:
    parser = _Parser("tls", add_help=False)
    parser.add_argument("names", nargs="*", metavar="NAME")
    _print(lifecycle.make_certificate(parser.parse_args(arguments).names))
    return 0


def check_nginx(arguments: Sequence[str]) -> int:
    _Parser("check-nginx", add_help=False).parse_args(arguments)
    _print(asyncio.run(lifecycle.check_nginx()))
    return 0


def supervise(arguments: Sequence[str]) -> int:
    _Parser("supervise", add_help=False).parse_args(arguments)
    lifecycle.supervise()
    return 0


_VERBS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "up": up,
    "down": down,
    "restart": restart,
    "status": status,
    "scale": scale,
    "upgrade": upgrade,
    "mode": tell_mode,
    "autoscale": autoscale,
    "env": env,
    "logs": logs,
    "psql": psql,
    "verify": verify,
    "backup": backup,
    "restore": restore,
    "doctor": show_needs,
    "tls": make_certificate,
    "check-nginx": check_nginx,
    "supervise": supervise,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; give its exit code, a refusal as one sentence on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    verb = given[0] if given else ""
    try:
        if verb not in _VERBS:
            raise BadUse(f"There is no verb {verb!r}; there are: {', '.join(_VERBS)}.")
        return _VERBS[verb](given[1:])
    except Refusal as refusal:
        sys.stdout.flush()
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        hint = {"up": "; the fleet goes on starting, end it with: ./manage.sh down"}
        sys.stderr.write(f"\nInterrupted{hint.get(verb, '')}.\n")
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERRUPTED
