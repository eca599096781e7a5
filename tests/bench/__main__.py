"""`./manage.sh bench`: every bar as a scenario on a fleet of its own, each beside its peer."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asking
from bench import document, machine, memory, showing
from bench.catalog import SCENARIOS
from bench.ground import Ground, prepared
from bench.scenario import Report, Scenario
from native import mode
from native.places import ROOT
from native.refusals import BadUse, NotRunning, Refusal

_INTERRUPTED: Final = 130
Done = tuple[Scenario, Report]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants."""

    scenarios: Sequence[Scenario]
    quick: bool
    json: bool
    named: bool

    @property
    def whole(self) -> bool:
        """Only all of them, at full length, are written down."""
        return not self.named and not self.quick


def parse(arguments: Sequence[str]) -> Asked:
    parser = asking.Parser("bench")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--soak", type=asking.minutes)
    asked = parser.parse_args(arguments)
    if asked.soak is not None:
        if asked.names or asked.quick:
            raise BadUse("--soak goes with no scenario and not with --quick.")
        return Asked([_soak(asked.soak)], quick=False, json=asked.json, named=True)
    known = {one.name: one for one in SCENARIOS}
    for name in asked.names:
        if name not in known:
            raise BadUse(f"There is no scenario {name}; there are: {', '.join(known)}.")
    chosen = [one for one in SCENARIOS if not asked.names or one.name in asked.names]
    return Asked(chosen, asked.quick, asked.json, bool(asked.names))


def _soak(minutes: float) -> Scenario:
    async def run(ground: Ground, *, quick: bool) -> Report:
        del quick
        return await memory.soak(ground, minutes)

    return Scenario("soak", f"Memory, files and connections over {minutes:g} minutes", run)


def _refuse_beside_another() -> None:
    """A fleet of this checkout would take its share of the processor, and spoil the figures."""
    try:
        running = mode.running().read_status()
    except NotRunning:
        return
    if running.services:
        raise BadUse(
            "A fleet runs in this checkout and would be in the way of the figures; "
            "first: ./manage.sh down"
        )


async def measure(asked: Asked, say: Callable[[str], None]) -> list[Done]:
    """Run the scenarios one after the other on one fleet; what fails is told, and left out."""
    done: list[Done] = []
    async with prepared(say) as ground:
        for scenario in asked.scenarios:
            say(f"{scenario.name}: {scenario.title} ...")
            began = time.monotonic()
            try:
                done.append((scenario, await scenario.run(ground, quick=asked.quick)))
            except Exception as error:  # noqa: BLE001  # the others still say something
                say(
                    f"  {scenario.name} could not be measured: {str(error) or type(error).__name__}"
                )
                await ground.behave()
            say(f"  {time.monotonic() - began:.0f} s")
    return done


def _run(asked: Asked) -> int:
    _refuse_beside_another()

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    here, commit = machine.look(), machine.commit()
    done = asyncio.run(_stoppable(measure(asked, say)))
    bars = [bar for _, report in done for bar in report.bars]
    if asked.json:
        sys.stdout.write(json.dumps(showing.write_json(here, commit, bars)) + "\n")
    else:
        lines = [*showing.show(bars), "", showing.count(bars), f"{here.sentence}; commit {commit}"]
        if asked.named:  # who asks for one wants to know where its time goes
            lines += (line for _, one in done for grid in one.grids for line in showing.lay(grid))
        sys.stdout.write("\n".join(lines) + "\n")
    if len(done) < len(asked.scenarios):
        return 1
    if asked.whole:
        path = document.write(ROOT / "docs", here, commit, done)
        say(f"written: {path.relative_to(ROOT)}")
    return 0


async def _stoppable(
    running: Coroutine[Any, Any, list[Done]],
) -> list[Done]:
    """End as on Ctrl-C when told to by a signal: the run's own fleet must not be left behind."""
    task = asyncio.create_task(running)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def main(arguments: Sequence[str]) -> int:
    """Measure and show; give 0 when all could be measured, whether it was met or not."""
    try:
        return _run(parse(arguments))
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the run's own fleet is taken down.\n")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
