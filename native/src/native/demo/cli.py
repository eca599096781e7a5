"""Reads the arguments, brings the fleet up, plays, and says what came of it."""

import argparse
import asyncio
import contextlib
import json
import os
import random
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

import httpx

from native import mode, settings
from native.cli import main as run_verb
from native.demo import closing, matrix, report, script
from native.demo.board import Board
from native.demo.configuration import Document
from native.demo.gateway import Gateway
from native.demo.play import Player
from native.demo.screen import Screen, choose
from native.demo.simulator import Effects, Simulator
from native.demo.stage import Stage
from native.refusals import BadUse, NotRunning, Refusal

_INTERRUPTED: Final = 130
_CALL_SECONDS: Final = 15.0
_RESOLVE_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_MOST_ROUNDS: Final = 1000
_SEED: Final = 20261121


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where the running fleet is, and what it has."""

    url: str
    trust: ssl.SSLContext
    simulator_port: int
    simulator: str  # as the replicas reach it
    environments: list[str]
    key: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh demo --help")


def _count_rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_ROUNDS}")
    return int(text)


def find_fleet() -> Fleet:
    runner = mode.running()
    status = runner.read_status()
    simulator = next((each for each in status.services if each["service"] == "simulator"), None)
    if not (status.supervised and status.url and simulator and simulator["port"]):
        raise NotRunning("The fleet is not running as it should; start it with: ./manage.sh up")
    wanted = settings.load()
    pools = {each["environment"] for each in status.services}
    environments = [each for each in wanted.environments if each in pools]
    if not environments:
        raise NotRunning("No environment of PITBOSS_ENVIRONMENTS runs; start: ./manage.sh up")
    port = int(simulator["port"])
    return Fleet(
        status.url,
        wanted.edge.trust(),
        port,
        runner.simulator_url(port),
        environments,
        wanted.admin_key,
    )


async def _play(fleet: Fleet, screen: Screen, rounds: int) -> tuple[Board, report.Verdict, float]:
    board = Board(screen.say, rounds)
    limits = httpx.Limits(max_connections=32)
    api = httpx.AsyncClient(
        base_url=fleet.url,
        verify=fleet.trust,
        headers={"authorization": f"Bearer {fleet.key}"},
        timeout=_CALL_SECONDS,
        limits=limits,
        trust_env=False,
    )
    tables = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{fleet.simulator_port}",
        verify=fleet.trust,
        timeout=_CALL_SECONDS,
        limits=limits,
        trust_env=False,
    )

    def draw(width: int, *, colour: bool) -> list[str]:
        now = datetime.now(UTC)
        return matrix.draw(
            board.columns,
            fleet.environments,
            rounds=rounds,
            width=width,
            colour=colour,
            now=now,
        )

    async with api, tables:
        gateway, simulator = Gateway(api), Simulator(tables)
        stage = Stage(gateway, simulator, fleet.environments, screen.say)
        try:
            await stage.set(fleet.simulator)
            began = time.monotonic()
            with screen.watching(draw):
                await _play_all(fleet, gateway, simulator, board)
            seconds = time.monotonic() - began
            unresolved, effects = await _check(gateway, simulator, board)
        except BaseException:
            await stage.clear()
            raise
    return board, report.judge(board, unresolved, effects), seconds


async def _play_all(fleet: Fleet, gateway: Gateway, simulator: Simulator, board: Board) -> None:
    """Play all tables at once; the first that can't go on ends them all."""
    try:
        async with asyncio.TaskGroup() as players:
            for place, table in enumerate(script.TABLES):
                dice = random.Random(_SEED + place)
                player = Player(table, fleet.environments, gateway, simulator, board, dice)
                players.create_task(player.play(), name=table.name)
    except ExceptionGroup as group:
        raise _first(group) from None


def _first(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


async def _check(gateway: Gateway, simulator: Simulator, board: Board) -> tuple[set[str], Effects]:
    """Wait until the ledger has nothing open of ours, then ask the tables what they did."""
    deadline = time.monotonic() + _RESOLVE_SECONDS
    while True:
        lists = await asyncio.gather(
            *(gateway.find_unresolved(table.name) for table in script.TABLES)
        )
        unresolved = {each.id for one in lists for each in one} & board.played.keys()
        if not unresolved or time.monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    codes = [code for table in script.TABLES for code in table.codes]
    counted = await asyncio.gather(*map(simulator.count_effects, codes))
    return unresolved, sum(counted, Effects())


def _run(arguments: Sequence[str]) -> int:
    parser = _Parser("demo", add_help=False)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=_count_rounds, default=2)
    for way in ("--native", "--docker"):
        parser.add_argument(way, dest="ways", action="append_const", const=way)
    asked = parser.parse_args(arguments)
    with contextlib.redirect_stdout(sys.stderr):  # --json keeps standard output to itself
        code = run_verb(["up", "--simulator", *(asked.ways or ())])
    if code:
        return code
    fleet = find_fleet()
    screen = Screen(sys.stdout, quiet=True) if asked.json else choose(len(fleet.environments))
    board, verdict, seconds = asyncio.run(_play(fleet, screen, asked.rounds))
    summary = report.summarize(board, verdict, seconds)
    home = fleet.url
    urls: Document = {"api": f"{home}/v1", "swagger": f"{home}/docs"}
    if asked.json:
        sys.stdout.write(json.dumps(report.write(board, summary, urls)) + "\n")
    screen.show([*closing.say_summary(summary), *closing.say_ways(urls)])
    if verdict.wrong:
        more = f" ({len(verdict.wrong) - 1} more)" if len(verdict.wrong) > 1 else ""
        raise Refusal(f"{verdict.wrong[0]}{more}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Play; give 0 when all is as it should be, else 1 with a sentence on stderr."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except BadUse as refusal:
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except Refusal as refusal:
        sys.stdout.flush()
        sys.stderr.write(f"{refusal}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; open rounds were ended, the fleet goes on running.\n")
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERRUPTED
