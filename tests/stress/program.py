"""`./manage.sh stress`: consoles in numbers, then the proof that nothing was lost or doubled."""

import argparse
import asyncio
import contextlib
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import httpx

import asking
from native import mode
from native.demo.cli import Fleet, find_fleet
from native.refusals import Refusal
from stress import proof, report
from stress.door import Door
from stress.player import Player
from stress.score import Score, percentile
from stress.stage import Stage

MOST_CONSOLES: Final = 1000
MOST_SECONDS: Final = 86_400
_INTERRUPTED: Final = 130
_WINDOW: Final = 500


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = asking.Parser("stress")
    parser.add_argument("--consoles", type=asking.number(MOST_CONSOLES), default=100)
    parser.add_argument("--seconds", type=asking.number(MOST_SECONDS), default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


@asynccontextmanager
async def _staged(
    fleet: Fleet, asked: argparse.Namespace
) -> AsyncIterator[dict[tuple[str, str], Door]]:
    """Lend a door to each table, by its name and game; all that was added goes in the end."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=fleet.url,
                verify=fleet.trust,
                headers={"authorization": f"Bearer {fleet.key}"},
                timeout=30,
                trust_env=False,
            )
        )
        stage = Stage(fleet, client, secrets.token_hex(2).upper(), asked.consoles)
        try:
            keys = await stage.set(asked.seconds)
            doors = {
                (table, game): Door(fleet.url, keys[table], fleet.trust)
                for table, game in stage.tables.items()
            }
            for door in doors.values():
                stack.push_async_callback(door.close)
            yield doors
        finally:
            for sentence in await stage.clear():
                sys.stderr.write(f"{sentence}\n")


async def _play(
    doors: dict[tuple[str, str], Door], asked: argparse.Namespace, score: Score
) -> float:
    """Play until time is up, then each console to the end of its round."""
    over, dice = asyncio.Event(), Random(asked.seed)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, over.set)
    began = time.monotonic()
    players = [
        asyncio.create_task(
            Player(door, table, game, Random(dice.random()), score).play_until(over)
        )
        for (table, game), door in doors.items()
    ]
    watching = asyncio.create_task(_show_progress(score, began, asked))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), asked.seconds)
    interrupted = over.is_set()
    over.set()
    await asyncio.gather(*players)
    watching.cancel()
    loop.remove_signal_handler(signal.SIGINT)
    if interrupted:
        raise KeyboardInterrupt
    return time.monotonic() - began


async def _show_progress(score: Score, began: float, asked: argparse.Namespace) -> None:
    if asked.json or not sys.stdout.isatty():
        return
    try:
        while True:
            seconds = max(0.1, time.monotonic() - began)
            last = [one.ms for one in score.samples[-_WINDOW:]]
            sys.stdout.write(
                f"\r\x1b[K{seconds:5.0f} s  {len(score.rounds)} rounds  {len(score.samples)} "
                f"commands  {len(score.samples) / seconds:.0f}/s  "
                f"p95 {percentile(last, 0.95) if last else 0:.0f} ms  "
                f"errors {score.errors.total()}"
            )
            sys.stdout.flush()
            await asyncio.sleep(0.25)
    finally:
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()


async def _read_effects(fleet: Fleet, tables: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{fleet.simulator_port}", trust_env=False, timeout=60
    ) as simulator:
        for table in tables:
            answer = await simulator.get("/control/effects", params={"table": table})
            found += answer.json()["effects"]
    return found


def verify(environment: dict[str, str], *options: str) -> tuple[bool, dict[str, Any]]:
    """Run the verifier; give whether all holds, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger.verify", *options, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode > 1:
        raise Refusal(f"The ledger could not be verified: {done.stderr.strip()[-300:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return done.returncode == 0, said


def start_fleet() -> None:
    """Have a fleet with a simulator, as the demo has; what runs already stays as it is."""
    runner = mode.runner(mode.choose(None))

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    say(runner.up(lambda text: say(f"  {text}"), simulator=True))


async def run(asked: argparse.Namespace) -> int:
    fleet, score, since = find_fleet(), Score(), datetime.now(UTC)
    say: Callable[[str], None] = (lambda _: None) if asked.json else print
    say(f"{asked.consoles} consoles get a table and a key each on {fleet.url} ...")
    async with _staged(fleet, asked) as doors:
        seconds = await _play(doors, asked, score)
    summary = report.summarize(score, consoles=asked.consoles, seconds=seconds)
    effects = await _read_effects(fleet, [table for table, _ in doors])
    effects = [one for one in effects if one["operation"] != "sessions"]
    wrong = [*score.failures, *proof.compare(score.rounds, effects)]
    fine, said = await asyncio.to_thread(
        verify,
        mode.running().write_database_url(),
        *("--since", since.isoformat()),
        *("--simulator", f"http://127.0.0.1:{fleet.simulator_port}"),
    )
    broken = [f"{one['sentence']} {one['rows']}" for one in said["checks"] if not one["ok"]]
    summary["proof"] = {
        "ok": fine and not wrong,
        "effects": len(effects),
        "wrong": wrong,
        "verified_rounds": said["rounds"],
        "broken": broken,
    }
    if asked.json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        _print_proof(summary, wrong + broken)
    return 0 if summary["proof"]["ok"] else 1


def _print_proof(summary: report.Summary, wrong: list[str]) -> None:
    told = summary["proof"]
    lines = report.show(summary)
    lines.append("")
    if told["ok"]:
        lines.append(
            f"proof      {told['effects']} effects at the tables, each round's own, each once; "
            f"the ledger's {told['verified_rounds']} rounds hold every invariant"
        )
    else:
        lines.append(f"proof      FAILED: {len(wrong)} things are not as they should be")
        lines += (f"           {one[:400]}" for one in wrong[:20])
    sys.stdout.write("\n".join(lines) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Play and prove; give 0 when nothing was lost or doubled."""
    try:
        asked = parse(arguments)
        start_fleet()
        return asyncio.run(run(asked))
    except Refusal as refusal:
        sys.stdout.flush()
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nInterrupted; the rounds were played to their end, tables and keys were taken away.\n"
        )
        return _INTERRUPTED
