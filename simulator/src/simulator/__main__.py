"""The process: one loop, one world, its listeners, until it is told to stop."""

import argparse
import asyncio
import signal
import sys
from random import Random

import uvloop

from simulator.control.routes import Control
from simulator.domain.tables import Table
from simulator.domain.world import World
from simulator.http.connections import Connection
from simulator.http.deadlines import Deadlines
from simulator.http.doors import Doors

HIGHEST_PORT = 65_535
LONGEST_S = 86_400


def read_bind(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, as in 127.0.0.1:9000")
    return host.strip("[]"), int(port)


def read_period(text: str) -> int:
    try:
        period_ms = round(float(text) * 1000)
    except (ValueError, OverflowError):
        period_ms = 0
    if not 0 < period_ms <= LONGEST_S * 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return period_ms


def read_limit(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("simulator", description="A Table API to run against.")
    parser.add_argument("--bind", type=read_bind, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--bet-period", type=read_period, default=15_000, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=None, help="of all chance in faults and tokens")
    parser.add_argument("--effects", type=read_limit, default=1_000_000, help="how many are kept")
    return parser


async def serve(options: argparse.Namespace) -> None:
    deadlines = Deadlines()

    def watch(table: Table) -> None:
        deadlines.watch(world, table)

    def make(siblings: set[Connection]) -> Connection:
        return Connection(world, control, siblings)

    host, port = options.bind
    world = World(options.bet_period, Random(options.seed), options.effects, watch)
    doors = Doors(host, world, make)
    control = Control(world, doors)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = await doors.open_shared(port)
    shown = f"[{host}]" if ":" in host else host
    sys.stdout.write(f"simulator listening on {shown}:{port}\n")
    sys.stdout.flush()
    await stop.wait()


def main() -> int:
    options = make_parser().parse_args()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options))
    except OSError as error:
        sys.stderr.write(f"simulator can't listen on {':'.join(map(str, options.bind))}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
