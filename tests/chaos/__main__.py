"""`./manage.sh chaos`: a seeded plan of faults on a fleet of its own, and the proof after it."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import asking
from chaos import plan, report
from chaos.running import ENVIRONMENTS, Run, run
from native.refusals import Refusal

_MOST_CONSOLES: Final = 200
_INTERRUPTED: Final = 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = asking.Parser("chaos")
    parser.add_argument("--minutes", type=asking.minutes, default=3.0)
    parser.add_argument("--seed", type=_seed, default=7)
    parser.add_argument("--consoles", type=asking.number(_MOST_CONSOLES), default=20)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Show the plan, or carry it out; give 0 when nothing was lost or doubled."""
    try:
        return _run(parse(arguments))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the run's own fleet is taken down.\n")
        return _INTERRUPTED


def _run(asked: argparse.Namespace) -> int:
    drawn = plan.draw(asked.seed, asked.minutes, ENVIRONMENTS)
    if asked.plan:
        sys.stdout.write("".join(f"{fault}\n" for fault in drawn))
        return 0

    def say(text: str) -> None:
        stream = sys.stderr if asked.json else sys.stdout
        stream.write(f"{text}\n")
        stream.flush()

    done = asyncio.run(_stoppable(run(drawn, seed=asked.seed, consoles=asked.consoles, say=say)))
    if asked.json:
        sys.stdout.write(json.dumps(report.summarize(done, asked.seed)) + "\n")
    else:
        say("\n".join(report.show(done)))
    if asked.report is not None:
        asked.report.write_text(report.write(done, asked.seed, asked.minutes))
    return 0 if done.ok else 1


async def _stoppable(running: Coroutine[Any, Any, Run]) -> Run:
    """End as on Ctrl-C when told to by a signal: the run's own fleet must not be left behind."""
    task = asyncio.create_task(running)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
