"""`./manage.sh autoscale`: reads its options, then follows the fleet."""

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from native import lifecycle, mode, settings
from native.autoscaling import journal
from native.autoscaling.decision import Thresholds
from native.autoscaling.driver import Fleet, Meter
from native.autoscaling.loop import Loop
from native.autoscaling.processes import Processes
from native.autoscaling.wishes import Wishes
from native.refusals import BadUse, NotRunning, Refusal
from native.supervisor_lock import take

_USUAL = Thresholds()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadUse(f"{message[:1].upper()}{message[1:]}; see: ./manage.sh autoscale --help")


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low:g} to {high:g}")
        return value

    return read


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("autoscale", add_help=False, allow_abbrev=False)
    parser.add_argument("environments", nargs="*", type=str.upper)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--interval", type=_number(0.2, 3600), default=5.0)
    for name in ("cpu-high", "cpu-low"):
        usual = getattr(_USUAL, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=_number(0, 10_000), default=usual)
    for name in ("in-flight-high", "in-flight-low"):
        usual = getattr(_USUAL, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=_number(0, 10_000), default=usual)
    for name in ("up-after", "down-after"):
        usual = getattr(_USUAL, f"{name.replace('-', '_')}_s")
        parser.add_argument(f"--{name}", type=_number(0, 86_400), default=usual)
    return parser.parse_args(arguments)


def _thresholds(asked: argparse.Namespace) -> Thresholds:
    for name in ("cpu", "in_flight"):
        little, much = getattr(asked, f"{name}_low"), getattr(asked, f"{name}_high")
        option = name.replace("_", "-")
        if much <= 0:
            raise BadUse(f"--{option}-high must be above 0.")
        if little >= much:
            raise BadUse(f"--{option}-low, {little:g}, must be below --{option}-high, {much:g}.")
    return Thresholds(
        cpu_high=asked.cpu_high,
        cpu_low=asked.cpu_low,
        in_flight_high=asked.in_flight_high,
        in_flight_low=asked.in_flight_low,
        up_after_s=0.0 if asked.once else asked.up_after,
        down_after_s=0.0 if asked.once else asked.down_after,
    )


def autoscale(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Follow the fleet's load in the foreground."""
    asked = _parse(arguments)
    thresholds = _thresholds(asked)
    status = mode.running().read_status()
    if not status.supervised or status.url is None:
        raise NotRunning("The fleet is not running; start it with: ./manage.sh up")
    where = lifecycle.places()
    lock = take(journal.lock_path(where))
    if lock is None:
        raise Refusal("Autoscaling runs already for this fleet; ./manage.sh status shows it.")
    wishes = Wishes(settings.load(), status.url)
    with lock:
        loop = Loop(
            driver=Fleet(_choose_meter(wishes)),
            read_bounds=wishes.read,
            thresholds=thresholds,
            where=where,
            say=say,
            interval_s=asked.interval,
            only=frozenset(asked.environments),
        )
        if asked.once:
            if not loop.run_once():
                say("Looked once; no pool needs a step.")
        else:
            say(f"Following the load every {asked.interval:g} s; Ctrl-C ends it.")
            loop.run()
    return 0


def _choose_meter(wishes: Wishes) -> Meter:
    if mode.find() == mode.NATIVE:
        return Processes()
    from native.autoscaling.containers import Containers  # noqa: PLC0415  # as in native.mode

    return Containers(wishes.read_in_flight)
